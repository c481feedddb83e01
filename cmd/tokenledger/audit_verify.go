package main

import (
	"context"
	"errors"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/verify"
)

type auditVerifyCmd struct {
	Path string `arg:"" optional:"" name:"path" help:"A data directory, its audit directory, an export, or a URL. Without it, --data."`
	Data string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory; a node may run on it."`

	VKey     string `name:"vkey" placeholder:"KEY" help:"The log's verifier key, or a file that holds it."`
	Since    string `placeholder:"FILE" help:"A checkpoint that was remembered: the log must have what it was signed over."`
	Remember string `placeholder:"FILE" help:"Write the verified checkpoint here. One that is there already is held against the log first, as with --since."`
	Proof    string `placeholder:"FILE" help:"Verify this proof of one entry, with nothing but the key."`

	form
	connection
}

// Help implements kong.HelpProvider.
func (auditVerifyCmd) Help() string {
	return `Every entry is read, its hash and the whole tree are computed anew, and the root is held against the signed checkpoint. The first bad entry or file is named; the exit code is 4 then. Nothing is changed, and no node has to run.

A key that comes from the same place as the log shows that the log is whole, and not that it is yours: give --vkey with the key that you wrote down. A log that was taken back to an earlier state as a whole is noticed by who remembers: use --remember. Two checkpoints that contradict each other are kept as evidence in a file in the current directory.

PATH may be the URL of the node that TOKENLEDGER_URL or --url names; your token goes to it. Any other URL is that of a published export, and is sent no token.

Example:

    tokenledger audit verify --data /var/lib/tokenledger --vkey log.vkey --remember last-checkpoint
    tokenledger audit verify https://log.example/ledger --vkey log.vkey
    tokenledger audit verify --proof 4711.tlog-proof --vkey log.vkey`
}

// Run implements the verb.
func (c *auditVerifyCmd) Run(ctx context.Context, m *Main) error {
	if c.Proof != "" {
		return c.verifyProof(m)
	}
	place, err := c.place(m)
	if err != nil {
		return err
	}
	key, err := c.key(ctx, place)
	if err != nil {
		return err
	}
	since, err := c.since()
	if err != nil {
		return err
	}
	show, end := m.progress("verifying")
	r, err := verify.Verify(ctx, place.src, verify.Options{Key: key.vkey, Since: since, Progress: show})
	end()
	if err != nil {
		return errors.Join(c.showFailure(m, err), verificationFailed(err))
	}
	if c.Remember != "" {
		if err := remember(c.Remember, r.Checkpoint); err != nil {
			return doing("the log is true, but its checkpoint could not be remembered", err)
		}
	}
	return c.show(m, r, key)
}

// verificationFailed says what kind of failure it is.
func verificationFailed(err error) error {
	if _, ok := errors.AsType[*verify.Error](err); ok {
		return doing("verification failed", err)
	}
	if errors.Is(err, context.Canceled) {
		return doing("the verification is not complete", errInterrupted)
	}
	return doing("cannot verify the log", err)
}

// showFailure prints, for a program, where the log is not true.
func (c *auditVerifyCmd) showFailure(m *Main, err error) error {
	e, ok := errors.AsType[*verify.Error](err)
	if !ok || !c.JSON {
		return nil
	}
	return m.printJSON(struct {
		Verified bool   `json:"verified"`
		File     string `json:"file"`
		Seq      uint64 `json:"seq,omitempty"`
		Problem  string `json:"problem"`
		Hint     string `json:"hint,omitempty"`
		Evidence string `json:"evidence,omitempty"`
	}{false, e.File, e.Seq, e.Problem, e.Hint, e.Evidence})
}

// verifiedLog is the answer as JSON.
type verifiedLog struct {
	Verified     bool             `json:"verified"`
	Entries      uint64           `json:"entries"`
	Root         tlog.Hash        `json:"root"`
	Origin       string           `json:"origin"`
	Key          string           `json:"key"`
	KeyFromLog   bool             `json:"key_from_log"`
	Committed    uint64           `json:"committed"`
	Since        *uint64          `json:"since,omitempty"`
	Warnings     []verify.Warning `json:"warnings"`
	Checkpoint   string           `json:"checkpoint"`
	RememberedIn string           `json:"remembered_in,omitempty"`
}

func (c *auditVerifyCmd) show(m *Main, r *verify.Report, key logKey) error {
	if c.JSON {
		return m.printJSON(verifiedLog{
			true, r.Size, r.Root, r.Origin, r.Key, key.remark != "", r.Committed, r.Since, r.Warnings, string(r.Checkpoint), c.Remember,
		})
	}
	for _, w := range r.Warnings {
		m.note("warning: %s", w)
	}
	fields := newTable()
	fields.field("entries", strconv.FormatUint(r.Size, 10))
	fields.field("root", r.Root.String())
	fields.field("origin", r.Origin)
	fields.field("signed by", r.Key)
	if r.Committed > r.Size {
		fields.field("not signed yet", entriesOf(r.Committed-r.Size)+", whole too")
	}
	if r.Since != nil {
		fields.field("checked since", "the checkpoint over "+entriesOf(*r.Since)+" that was remembered")
	}
	fields.field("remembered in", c.Remember)
	text := "The log is what its key has signed.\n\n" + fields.String()
	if key.remark != "" {
		text += "\n" + clean(key.remark) + "\n"
	}
	return m.print(text)
}
