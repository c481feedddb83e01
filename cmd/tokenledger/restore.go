package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/internal/backup"
	"github.com/tokenledger/tokenledger/internal/identity"
)

type restoreCmd struct {
	form
	elsewhere
	Backup     string `arg:"" help:"The directory of the backup."`
	Data       string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory to make; it must not exist, or be empty."`
	Since      string `placeholder:"FILE" help:"A signed checkpoint of this log that you remember, such as the audit/checkpoint of the lost node: the node does not serve before it has come past it."`
	AcceptLoss bool   `help:"Give up the events between the backup and the newest checkpoint that is known. Afterwards, revoke anew what was revoked since."`
}

// Help implements kong.HelpProvider.
func (restoreCmd) Help() string {
	return `The whole backup is verified before anything is made; exit code 4 names what is wrong with it.

A restored ledger is that of the backup's day: tokens revoked since are good again until they are revoked anew. The restored node has the name and the key of the old one: never run both.

Example:

    tokenledger restore /mnt/backup/ledger --data /var/lib/tokenledger --since checkpoint`
}

// Run implements the verb.
func (c *restoreCmd) Run(ctx context.Context, m *Main) error {
	if err := c.check(); err != nil {
		return err
	}
	var since []byte
	if c.Since != "" {
		var err error
		if since, err = os.ReadFile(c.Since); err != nil {
			return doing("cannot read the checkpoint of --since", err)
		}
	}
	progress, end := m.stages()
	done, err := backup.Restore(ctx, backup.RestoreOptions{
		Dir: c.Backup, Data: c.Data, Since: since, AcceptLoss: c.AcceptLoss,
		NATSURL: c.NATSURL, NATSCreds: c.NATSCreds, Replicas: c.Replicas, Progress: progress,
	})
	end()
	if err != nil {
		return damaged(doing("cannot restore "+c.Backup, err))
	}
	if c.JSON {
		return m.printJSON(struct {
			Data   string            `json:"data"`
			Node   string            `json:"node"`
			Ledger string            `json:"ledger,omitempty"`
			Marker identity.Restored `json:"restored"`
			Stream uint64            `json:"stream"`
			Serves bool              `json:"serves"`
		}{c.Data, done.Node, done.Ledger, done.Marker, done.Stream, !done.Behind()})
	}
	return m.print(restoreText(c.Data, done))
}

// restoreText says what the operator has now.
func restoreText(data string, d *backup.Done) string {
	var b strings.Builder
	say := func(format string, args ...any) { b.WriteString(clean(fmt.Sprintf(format, args...)) + "\n") }
	asOf := d.Marker.AsOf.UTC().Format(time.RFC3339)
	newest := d.Marker.Newest.Size
	if d.OnlyAccepted {
		say("%s was restored from this backup before, as of %s.", data, asOf)
	} else {
		say("%s is ledger %s as of %s: %d events.", data, d.Ledger, asOf, d.Size)
	}
	switch {
	case d.Behind():
		say("A checkpoint of %d events by this log is known: %d events are missing, revocations perhaps among them. The node refuses to serve until it has them: restore a newer backup, or give it the stream that has them; or accept the loss with --accept-loss, on this directory.", newest, newest-max(d.Size, d.Stream))
	case newest > d.Size && d.Marker.LossAccepted.IsZero():
		say("The stream has %d events. The node reads those behind the backup, past the newest checkpoint that is known (%d), before it serves.", d.Stream, newest)
	case d.Stream > d.Size:
		say("The stream has %d events. The node reads those behind the backup before it serves.", d.Stream)
	default:
		if newest > d.Size {
			say("The loss of at least %d events is accepted. Checkpoints of more than %d events that this log signed do not agree with it any more.", newest-d.Size, d.Size)
		}
		say("Tokens that were revoked after %s are good again: revoke them anew before you let services back.", asOf)
	}
	if !d.OnlyAccepted {
		say("It has the name and the signing key of the node that was backed up (%s): never run both, or the audit log has two histories.", d.Node)
	}
	return b.String()
}
