package main

import (
	"context"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
)

type whoamiCmd struct {
	form
	connection
}

// Help implements kong.HelpProvider.
func (whoamiCmd) Help() string {
	return `Tells who your token is, or whose session it is, what it may, and until when.

Example:

    tokenledger whoami --token-file $HOME/.tokenledger-session`
}

// Run implements the verb.
func (c *whoamiCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	s, err := cl.Session(ctx)
	if err != nil {
		return doing("cannot tell who you are", err)
	}
	if c.JSON {
		return m.printJSON(s)
	}
	return m.print(whoIs(s))
}

// whoIs writes a session for people, a field a line.
func whoIs(s api.Session) string {
	rows := newTable()
	rows.field(s.Actor.Type, s.Actor.Name)
	rows.field("id", s.Actor.ID)
	if s.TokenID != s.Actor.ID {
		rows.field("session", s.TokenID)
	}
	rows.field("tenant", s.Tenant)
	rows.field("roles", strings.Join(s.Roles, " "))
	rows.field("scopes", strings.Join(s.Scopes, " "))
	rows.field("until", when(s.ExpiresAt))
	return rows.String()
}
