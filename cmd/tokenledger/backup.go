package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tokenledger/tokenledger/internal/backup"
)

type backupCmd struct {
	form
	Dir  string `arg:"" help:"Where the backup goes: a new or empty directory, or one with an earlier backup of this node, which is brought up to date."`
	Data string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory of a node; it may run."`
}

// Help implements kong.HelpProvider.
func (backupCmd) Help() string {
	return `A backup is the audit log, which has every event, and the node's keys. All of it is verified while it is copied: a damaged log ends it with exit code 4.

The backup holds the log's signing key: keep it as safe as the node.

Example:

    tokenledger backup /mnt/backup/ledger --data /var/lib/tokenledger`
}

// Run implements the verb.
func (c *backupCmd) Run(ctx context.Context, m *Main) error {
	progress, end := m.stages()
	made, err := backup.Make(ctx, backup.Options{Data: c.Data, Dir: c.Dir, Progress: progress})
	end()
	if err != nil {
		return damaged(doing("cannot back up "+c.Data, err))
	}
	if c.JSON {
		return m.printJSON(struct {
			*backup.Manifest
			Earlier uint64 `json:"earlier"`
		}{made.Manifest, made.Earlier})
	}
	return m.print(clean(fmt.Sprintf("%s has %d events of ledger %s, as of %s", c.Dir, made.Size, made.Ledger, made.AsOf.Format(time.RFC3339))) + "\n" +
		clean(fmt.Sprintf("root %s; %d events are new in it", made.Root, made.Size-made.Earlier)) + "\n" +
		"It holds the node's signing key: keep it as safe as the node.\n")
}

// damaged gives the exit code of a verification that failed to errors that say so.
func damaged(err error) error {
	if backup.IsDamage(err) {
		return withCode(exitVerification, err)
	}
	return err
}
