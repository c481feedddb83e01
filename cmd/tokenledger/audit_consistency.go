package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/httpapi"
)

type auditConsistencyCmd struct {
	From uint64  `arg:"" help:"How many entries the log had: the second line of a checkpoint."`
	To   *uint64 `arg:"" optional:"" help:"How many it has later; without it, as many as the newest checkpoint is over."`
	Data string  `placeholder:"DIR" help:"Read it from a data directory, whether a node runs on it or not, and ask no node."`

	form
	connection
}

// Help implements kong.HelpProvider.
func (auditConsistencyCmd) Help() string {
	return `The proof (RFC 9162, 2.1.4) that nothing of the smaller log was changed in the larger one, for whoever keeps two checkpoints and not the log. The proof is verified here; that the roots are those of the checkpoints is for you to see. With --json, the hashes of the proof, in base64. To hold a whole log against a checkpoint, use audit verify --since.

Example:

    tokenledger audit consistency 300
    tokenledger audit consistency 300 4711 --json > 300-4711.json`
}

// Run implements the verb.
func (c *auditConsistencyCmd) Run(ctx context.Context, m *Main) error {
	if c.From == 0 {
		return usage("give the number of entries of the earlier log, from 1 on: the empty log is the beginning of every log")
	}
	to := uint64(0) // the newest checkpoint's
	if c.To != nil {
		if to = *c.To; to < c.From {
			return usage("FROM is %d and TO %d: a log does not get smaller", c.From, to)
		}
	}
	what := fmt.Sprintf("cannot prove that the log begins with what it was with %s", entriesOf(c.From))
	p, err := c.proof(ctx, m, to)
	if err != nil {
		return doing(what, err)
	}
	if err := checkConsistency(p, c.From, to); err != nil {
		return withCode(exitVerification, doing(what, err))
	}
	if c.JSON {
		return m.printJSON(p)
	}
	fields := newTable()
	fields.field("from", strconv.FormatUint(p.From, 10))
	fields.field("from root", hashText(p.FromRoot))
	fields.field("to", strconv.FormatUint(p.To, 10))
	fields.field("to root", hashText(p.ToRoot))
	return m.print(fmt.Sprintf("The log of %s begins with that of %s, if these are the roots of your checkpoints.\n\n%s",
		entriesOf(p.To), entriesOf(p.From), fields))
}

func (c *auditConsistencyCmd) proof(ctx context.Context, m *Main, to uint64) (api.Consistency, error) {
	if c.Data != "" {
		return dataConsistency(c.Data, c.From, to)
	}
	cl, err := c.open(m)
	if err != nil {
		return api.Consistency{}, err
	}
	defer cl.Close()
	return cl.Consistency(ctx, c.From, to)
}

// dataConsistency makes a proof from a data directory.
func dataConsistency(data string, from, to uint64) (out api.Consistency, err error) {
	r, checkpoint, err := openLog(filepath.Join(data, "audit"), data)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := r.Consistency(from, to, checkpoint)
	if ahead, ok := errors.AsType[*audit.NotYetError](err); ok {
		return out, fmt.Errorf("%s, by the newest checkpoint in %s; a running node signs a new one within a second", ahead.OfSize(), data)
	}
	if err != nil {
		return out, err
	}
	return httpapi.Consistency(p), nil
}

// checkConsistency verifies a proof that was asked for. A node may be any program.
func checkConsistency(p api.Consistency, from, to uint64) error {
	if p.From != from || to != 0 && p.To != to {
		return fmt.Errorf("it is of %s and %s: other sizes were asked for", entriesOf(p.From), entriesOf(p.To))
	}
	hashes := make([]tlog.Hash, 0, 2+len(p.Proof))
	for _, b := range append([][]byte{p.FromRoot, p.ToRoot}, p.Proof...) {
		if len(b) != tlog.HashSize {
			return fmt.Errorf("a hash has %d bytes, and not %d", len(b), tlog.HashSize)
		}
		hashes = append(hashes, tlog.Hash(b))
	}
	if p.From > 1<<62 || p.To > 1<<62 {
		return errors.New("it is of more entries than a log can have")
	}
	if err := tlog.CheckTree(hashes[2:], int64(p.To), hashes[1], int64(p.From), hashes[0]); err != nil {
		return fmt.Errorf("the proof does not lead from the one root to the other: %w", err)
	}
	return nil
}

func hashText(b []byte) string { return tlog.Hash(b).String() }
