package main

import (
	"context"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

type auditDiffCmd struct {
	From   start  `arg:"" help:"A time such as 2026-03-01T14:03:00Z, how long ago (90d), or a sequence; 0 is before the first event. Changes after it count."`
	To     moment `arg:"" help:"The same, or now."`
	Tenant string `help:"Tenant; your own if not given, and all of them with ledger:root."`

	proving
	form
	connection
}

// Help implements kong.HelpProvider.
func (auditDiffCmd) Help() string {
	return `A row for each change, the changes of a token together; STATUS is what it was before them all and after. Uses are no change, nor is what the clock alone does (begun, expired). With --json, a token a line. That you asked is recorded.

Example:

    tokenledger audit diff 24h now
    tokenledger audit diff 0 2026-01-01T00:00:00Z
    tokenledger audit diff 2026-03-01T00:00:00Z 2026-04-01T00:00:00Z --json`
}

// Run implements the verb.
func (c *auditDiffCmd) Run(ctx context.Context, m *Main) error {
	if err := c.check(&c.form); err != nil {
		return err
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	now := time.Now()
	req := api.DiffRequest{From: c.From.text(now), To: c.To.text(now), Tenant: c.Tenant, Limit: 100, Proof: c.Proof}
	n := 0
	return m.pages("cannot show what has changed", &req.Cursor, true, func() (string, error) {
		page, err := cl.Diff(ctx, req)
		for c.fewer(err, &req.Limit) {
			page, err = cl.Diff(ctx, req)
		}
		if err != nil {
			return "", err
		}
		n += len(page.Changes)
		if page.NextCursor == "" && !c.JSON {
			defer m.note("%s changed between %s and %s", count(n, "token"), showMoment(page.From), showMoment(page.To))
		}
		return page.NextCursor, c.show(m, page.Changes)
	})
}

func (c *auditDiffCmd) show(m *Main, changes []api.TokenChange) error {
	if c.JSON {
		return printEach(m, changes)
	}
	if len(changes) == 0 {
		return nil
	}
	rows := newTable("SEQ", "TIME", "TOKEN", "NAME", "STATUS", "WHAT", "WHO", "FROM", "DETAILS")
	for _, change := range changes {
		before := "none"
		if change.Before != nil {
			before = change.Before.Status
		}
		for _, e := range change.Events {
			cells := eventCells(recorded(e))
			rows.row(append([]string{cells[0], cells[1], change.After.ID, change.After.Name, before + " > " + change.After.Status}, cells[2:]...)...)
		}
		if change.MoreEvents {
			rows.row("…", "", change.After.ID, change.After.Name, "", "and more")
		}
	}
	return m.print(rows.String())
}
