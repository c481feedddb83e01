package main

import (
	"context"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

type auditEventsCmd struct {
	Actor  some       `help:"Who did it: a token's id, or its name when it acted."`
	Token  some       `placeholder:"ID" help:"The token that they are about; audit trace takes a name, too."`
	Site   some       `help:"The site or system of a use, or of a new token."`
	IP     some       `name:"ip" help:"Where a change came from, or a use."`
	Kind   some       `help:"What: generated, revoked, used, rejected, updated, suspended, resumed, created, read."`
	Since  *past      `placeholder:"TIME|90d" help:"From then on."`
	Until  *past      `placeholder:"TIME|90d" help:"Before then."`
	Tenant string     `help:"Tenant; your own if not given, and all of them with ledger:root."`
	Limit  pageLength `placeholder:"N" help:"Length of a page, 1 to 1000; 100 if not given."`
	Cursor string     `help:"Go on where an earlier page ended."`
	All    bool       `help:"Every page, not one."`

	proving
	form
	connection
}

// Help implements kong.HelpProvider.
func (auditEventsCmd) Help() string {
	return `All filters that are given must hold. The order is the stream's. With --json, an event a line, with the bytes as they were published; the cursor of the next page goes to standard error. That you asked is recorded.

Example:

    tokenledger audit events --kind revoked --since 7d
    tokenledger audit events --ip 198.51.100.4 --all --json --proof`
}

// Run implements the verb.
func (c *auditEventsCmd) Run(ctx context.Context, m *Main) error {
	if err := c.check(&c.form); err != nil {
		return err
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	now := time.Now()
	req := api.AuditEventsRequest{
		Actor: string(c.Actor), Token: string(c.Token), Site: string(c.Site), IP: string(c.IP), Kind: string(c.Kind),
		Since: c.Since.before(now), Until: c.Until.before(now), Tenant: c.Tenant, Cursor: c.Cursor, Limit: int(c.Limit), Proof: c.Proof,
	}
	first := true
	return m.pages("cannot show events", &req.Cursor, c.All, func() (string, error) {
		page, err := cl.AuditEvents(ctx, req)
		if err != nil {
			return "", err
		}
		defer func() { first = false }()
		return page.NextCursor, c.show(m, page.Events, first && page.NextCursor == "")
	})
}

func (c *auditEventsCmd) show(m *Main, events []api.AuditEvent, whole bool) error {
	if c.JSON {
		return printEach(m, events)
	}
	if len(events) == 0 {
		if whole {
			m.note("no events")
		}
		return nil
	}
	return m.print(eventTable(events))
}

// eventTable is events of several tokens for people.
func eventTable(events []api.AuditEvent) string {
	rows := newTable("SEQ", "TIME", "WHAT", "TOKEN", "WHO", "FROM", "DETAILS")
	for _, e := range events {
		cells := eventCells(recorded(e))
		rows.row(append(append(cells[:3:3], aboutToken(e)), cells[3:]...)...)
	}
	return rows.String()
}

// ownTable is events of one token for people.
func ownTable(events []api.AuditEvent) string {
	rows := newTable("SEQ", "TIME", "WHAT", "WHO", "FROM", "DETAILS")
	for _, e := range events {
		rows.row(eventCells(recorded(e))...)
	}
	return rows.String()
}

func recorded(e api.AuditEvent) api.RecordedEvent {
	return api.RecordedEvent{Seq: e.Seq, Received: e.Received, Subject: e.Subject, Event: e.Event}
}
