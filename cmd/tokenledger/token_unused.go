package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
)

type tokenUnusedCmd struct {
	For    idleFor    `default:"90d" placeholder:"90d" help:"How long they were neither used nor generated: 90d, 12w, 36h."`
	Tenant string     `help:"Tenant; your own if not given."`
	Site   some       `help:"The site or system they are for."`
	Owner  some       `help:"Who answers for them."`
	Limit  pageLength `placeholder:"N" help:"Length of a page, 1 to 1000; 100 if not given."`
	Cursor string     `help:"Go on where an earlier page ended."`
	All    bool       `help:"Every page, not one."`

	form
	connection
}

// idleFor is a length of time as a flag's value, as it was written.
type idleFor string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *idleFor) UnmarshalText(text []byte) error {
	if d, ok := commands.ParseDuration(string(text)); !ok || d <= 0 {
		return errors.New(`must be how long, such as 90d or 12h`)
	}
	*f = idleFor(text)
	return nil
}

// Help implements kong.HelpProvider.
func (tokenUnusedCmd) Help() string {
	return `Active tokens alone. With a policy that revokes unused tokens (serve --policy-revoke-unused), the last column says when it will. With --json, a token a line; the cursor of the next page goes to standard error.

Example:

    tokenledger token unused --for 90d
    tokenledger token revoke --unused-since 90d --status active --reason-code unused --dry-run`
}

// Run implements the verb.
func (c *tokenUnusedCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := api.UnusedRequest{For: string(c.For), Tenant: c.Tenant, Site: string(c.Site), Owner: string(c.Owner), Limit: int(c.Limit), Cursor: c.Cursor}
	first := true
	return m.pages("cannot list unused tokens", &req.Cursor, c.All, func() (string, error) {
		page, err := cl.Unused(ctx, req)
		if err != nil {
			return "", err
		}
		defer func() { first = false }()
		return page.NextCursor, c.show(m, page.Tokens, first)
	})
}

func (c *tokenUnusedCmd) show(m *Main, all []api.UnusedToken, first bool) error {
	if c.JSON {
		return printEach(m, all)
	}
	if len(all) == 0 {
		if first {
			m.note("no unused tokens")
		}
		return nil
	}
	rows := newTable("ID", "NAME", "SITE", "OWNER", "LAST USED", "DAYS", "POLICY REVOKES")
	for _, u := range all {
		used := when(u.Token.LastUsedAt)
		if used == "" {
			used = "never"
		}
		rows.row(u.Token.ID, u.Token.Name, u.Token.Site, u.Token.Owner, used, strconv.Itoa(u.DaysUnused), when(u.PolicyRevokesAt))
	}
	return m.print(rows.String())
}
