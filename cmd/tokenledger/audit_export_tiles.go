package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/verify"
	"github.com/tokenledger/tokenledger/internal/backup"
)

type auditExportTilesCmd struct {
	Dir  string `arg:"" name:"dir" help:"Where to: an empty directory, one that is made, or that of an earlier export."`
	Data string `env:"TOKENLEDGER_DATA" default:"./tokenledger-data" placeholder:"DIR" help:"The data directory; a node may run on it."`

	form
}

// Help implements kong.HelpProvider.
func (auditExportTilesCmd) Help() string {
	return `The directory has the form of https://c2sp.org/tlog-tiles, and any server of static files can publish it. It holds what the log's newest checkpoint was signed over. Of an earlier export what is there is kept, and what is missing is added; the checkpoint is written last. Entries say who used which token from where, so that directories have the mode 0700 and files 0600: who publishes them decides who may read them.

Example:

    tokenledger audit export-tiles /srv/log --data /var/lib/tokenledger`
}

// maxCheckpoint bounds the file of a checkpoint, in bytes.
const maxCheckpoint = 1 << 20

// Run implements the verb.
func (c *auditExportTilesCmd) Run(ctx context.Context, m *Main) error {
	found, err := verify.Find(c.Data)
	if err != nil {
		return doing("cannot export the log", err)
	}
	if found.DataDir == "" {
		return usage("--data: %s holds an export; give the data directory", c.Data)
	}
	if err := backup.Apart(found.DataDir, c.Dir); err != nil {
		return doing("cannot export the log", err)
	}
	r, checkpoint, err := openLog(found.Dir, found.DataDir)
	if err != nil {
		return doing("cannot export the log", err)
	}
	show, end := m.progress("exporting")
	entries, err := await(ctx, func() (entries uint64, err error) {
		err = audit.ExportTiles(r, checkpoint, c.Dir, func(done, total uint64) {
			entries = done
			if show != nil {
				show(done, total)
			}
		})
		return entries, errors.Join(err, r.Close())
	})
	end()
	if errors.Is(err, errInterrupted) {
		return fmt.Errorf("the export is not complete: %w; the same command goes on with it", err)
	}
	if err != nil {
		return doing("cannot export the log", err)
	}
	if c.JSON {
		return m.printJSON(struct {
			Dir     string `json:"dir"`
			Entries uint64 `json:"entries"`
		}{c.Dir, entries})
	}
	return m.print(fmt.Sprintf("Exported %s to %s. To look whether it is whole:\n\n    tokenledger audit verify %s --vkey KEY\n", entriesOf(entries), clean(c.Dir), clean(c.Dir)))
}

// entriesOf gives "1 entry", "2 entries".
func entriesOf(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
