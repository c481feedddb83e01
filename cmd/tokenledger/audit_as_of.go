package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type auditAsOfCmd struct {
	Time   moment `arg:"" help:"A time such as 2026-03-01T14:03:00Z, how long ago (90d), a sequence, or now."`
	Site   some   `help:"The site or system they were for."`
	Owner  some   `help:"Who answered for them then."`
	Scope  some   `help:"A scope they held."`
	Status status `placeholder:"STATUS" help:"pending, active, suspended, revoked or expired, then; active if not given."`
	All    bool   `help:"Whatever their status."`
	Count  bool   `help:"How many there were, and not which."`
	Tenant string `help:"Tenant; your own if not given, and all of them with ledger:root."`

	proving
	form
	connection
}

// Help implements kong.HelpProvider.
func (auditAsOfCmd) Help() string {
	return `Those that were valid then, unless --status or --all asks for others. What was recorded later does not count, even of an earlier time: a token that was revoked later, and from an earlier time on, was valid. With --json, a token a line. That you asked is recorded.

Example:

    tokenledger audit as-of 2026-03-01T14:03:00Z --site shop.example
    tokenledger audit as-of 12h --all --json
    tokenledger audit as-of 2026-03-01T14:03:00Z --all --count`
}

// Run implements the verb.
func (c *auditAsOfCmd) Run(ctx context.Context, m *Main) error {
	if err := c.check(&c.form); err != nil {
		return err
	}
	if c.All && c.Status != "" {
		return usage("--all and --status exclude each other")
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := api.AsOfRequest{
		Time: c.Time.at(time.Now()), Seq: c.Time.seq, Site: string(c.Site), Owner: string(c.Owner), Scope: string(c.Scope),
		Status: string(c.Status), Tenant: c.Tenant, Limit: 1000, Proof: c.Proof,
	}
	if c.Count {
		return c.count(ctx, m, cl, req)
	}
	what := "token"
	if req.Status == "" && !c.All {
		req.Status, what = "active", "valid token"
	}
	n := 0
	return m.pages("cannot show the tokens of that time", &req.Cursor, true, func() (string, error) {
		page, err := cl.AsOf(ctx, req)
		for c.fewer(err, &req.Limit) {
			page, err = cl.AsOf(ctx, req)
		}
		if err != nil {
			return "", err
		}
		n += len(page.Tokens)
		if page.NextCursor == "" && !c.JSON {
			defer m.note("%s as of %s", count(n, what), showMoment(api.Moment{Seq: page.Seq, Time: page.Time}))
		}
		return page.NextCursor, c.show(m, page.Tokens)
	})
}

// count prints how many tokens there were, by their status.
func (c *auditAsOfCmd) count(ctx context.Context, m *Main, cl *client.Client, req api.AsOfRequest) error {
	if c.Proof {
		return usage("--count and --proof exclude each other")
	}
	req.Count, req.Limit = true, 0
	if req.Status == "" && !c.All {
		req.Status = "active"
	}
	answer, err := cl.AsOf(ctx, req)
	if err != nil {
		return doing("cannot count the tokens of that time", err)
	}
	if c.JSON {
		return m.printJSON(answer)
	}
	rows := newTable()
	for _, status := range slices.Sorted(maps.Keys(answer.ByStatus)) {
		rows.row(status, strconv.FormatUint(answer.ByStatus[status], 10))
	}
	if answer.Count != nil {
		rows.row("in all", strconv.FormatUint(*answer.Count, 10))
	}
	rows.row("as of", showMoment(api.Moment{Seq: answer.Seq, Time: answer.Time}))
	return m.print(rows.String())
}

func (c *auditAsOfCmd) show(m *Main, tokens []api.PastToken) error {
	if c.JSON {
		return printEach(m, tokens)
	}
	if len(tokens) == 0 {
		return nil
	}
	rows := newTable("SEQ", "ID", "NAME", "SITE", "OWNER", "STATUS", "SCOPES", "ENDS")
	for _, t := range tokens {
		ends := when(end(api.Token{ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt}))
		if ends == "" {
			ends = "never"
		}
		rows.row(strconv.FormatUint(t.Seq, 10), t.ID, t.Name, t.Site, t.Owner, t.Status, someOf(t.Scopes, 3), ends)
	}
	return m.print(rows.String())
}
