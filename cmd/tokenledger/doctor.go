package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/doctor"
	"github.com/tokenledger/tokenledger/internal/identity"
)

type doctorCmd struct {
	form
	elsewhere
	Data          string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory of a stopped node."`
	RestoreStream bool   `help:"Make a damaged stream anew from the audit log; the damaged store is kept beside it."`
	AcceptLoss    bool   `help:"With --restore-stream: leave behind what of the old stream cannot be placed behind the log."`
}

// elsewhere is where the stream lies if not in the data directory.
type elsewhere struct {
	NATSURL   string `name:"nats-url" env:"TOKENLEDGER_NATS_URL" placeholder:"URL" help:"The stream lies on this NATS server, not in the data directory."`
	NATSCreds string `name:"nats-creds" env:"TOKENLEDGER_NATS_CREDS" placeholder:"FILE" help:"Credentials for --nats-url."`
	Replicas  int    `env:"TOKENLEDGER_REPLICAS" default:"1" placeholder:"N" help:"Replicas of a stream that is made there."`
}

// check refuses what every process list would show.
func (e *elsewhere) check() error {
	for _, part := range strings.Split(e.NATSURL, ",") {
		if u, err := url.Parse(strings.TrimSpace(part)); err != nil {
			return usage("--nats-url is not a URL, or a list of URLs with commas between") // not repeated: it may hold a password
		} else if u.User != nil {
			return usage("--nats-url holds credentials, which every process list would show; give them with --nats-creds")
		}
	}
	return nil
}

// Help implements kong.HelpProvider.
func (doctorCmd) Help() string {
	return `It reads the whole audit log and the whole stream, compares them, and says of each thing that is wrong what it is, why it matters, and what to do. Without --restore-stream it changes nothing.

Exit codes: 0 healthy; 4 events of the stream or of the log are lost or changed; 1 other trouble.

Example:

    tokenledger doctor --data /var/lib/tokenledger
    tokenledger doctor --data /var/lib/tokenledger --restore-stream`
}

// Run implements the verb.
func (c *doctorCmd) Run(ctx context.Context, m *Main) error {
	if err := c.check(); err != nil {
		return err
	}
	progress, end := m.stages()
	report, err := doctor.Examine(ctx, doctor.Config{
		Data: c.Data, NATSURL: c.NATSURL, NATSCreds: c.NATSCreds, Replicas: c.Replicas,
		RestoreStream: c.RestoreStream, AcceptLoss: c.AcceptLoss, Progress: progress,
	})
	end()
	if _, ok := errors.AsType[*identity.LockedError](err); ok {
		return fmt.Errorf("cannot examine %s while its node runs: stop it (SIGTERM, or its service manager) and run this again; a running node says at /readyz what is wrong with it", c.Data)
	}
	if report == nil {
		return doing("cannot examine "+c.Data, err)
	}
	if c.JSON {
		if perr := m.printJSON(report); perr != nil {
			return perr
		}
	} else if perr := m.print(doctorText(report)); perr != nil {
		return perr
	}
	switch _, refused := errors.AsType[*doctor.NotRestoredError](err); {
	case refused && report.Damaged():
		return withCode(exitVerification, err)
	case err != nil:
		return doing("cannot restore the stream", err)
	case report.Damaged():
		return withCode(exitVerification, nil)
	case !report.Healthy:
		return withCode(exitFailed, nil)
	}
	return nil
}

// doctorText is a report for people.
func doctorText(r *doctor.Report) string {
	var b strings.Builder
	say := func(format string, args ...any) { b.WriteString(clean(fmt.Sprintf(format, args...)) + "\n") }
	if r.Node != "" {
		say("node %s, ledger %s", r.Node, r.Ledger)
	}
	if l := r.Log; l != nil {
		say("audit log: %d entries, root %s, checkpoint over %d", l.Size, l.Root, l.Checkpoint)
	}
	if s := r.Stream; s != nil {
		say("stream: up to sequence %d; applied here: %d (evidence), %d (read model)", s.Stream, r.Evidence, r.ReadModel)
	}
	if d := r.Restored; d != nil {
		b.WriteString("\n")
		say("The stream was made anew: %d events from the audit log, %d behind it from the old stream.", d.Archived, d.Followed)
		if d.Damaged != "" {
			say("The damaged store is in %s. Delete it when nobody needs it as evidence any more.", d.Damaged)
		}
		if d.Left > 0 {
			say("Left behind with it: %d sequences, because %s.", d.Left, d.LeftWhy)
		}
	}
	for _, f := range r.Findings {
		b.WriteString("\n")
		say("%s: %s", f.Severity, f.What)
		if f.Why != "" {
			say("  why: %s", f.Why)
		}
		if f.Do != "" {
			say("  do:  %s", f.Do)
		}
	}
	b.WriteString("\n")
	switch {
	case r.Healthy:
		say("Healthy: the audit log is whole, and the stream agrees with it.")
	case r.Damaged():
		say("Damaged: events are lost or changed.")
	default:
		say("There is trouble; the stream and the log are whole.")
	}
	return b.String()
}

// stages shows how far each stage of a long job has come, one after another.
func (m *Main) stages() (archive.Progress, func()) {
	if _, ok := terminal(m.Stderr); !ok {
		return nil, func() {}
	}
	stage, show, end := "", func(uint64, uint64) {}, func() {}
	return func(what string, done, total uint64) {
		if what != stage {
			end()
			stage = what
			show, end = m.progress(what)
		}
		if show != nil {
			show(done, total)
		}
	}, func() { end() }
}
