package main

import (
	"context"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

type tokenListCmd struct {
	filter
	Limit  pageLength `placeholder:"N" help:"Length of a page, 1 to 1000; 100 if not given."`
	Cursor string     `help:"Go on where an earlier page ended."`
	All    bool       `help:"Every page, not one."`

	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenListCmd) Help() string {
	return `With --json, a record a line; the cursor of the next page goes to standard error.

Example:

    tokenledger token list --site shop.example --status active
    tokenledger token list --unused-since 90d --all --json`
}

// Run implements the verb.
func (c *tokenListCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := c.list(time.Now())
	req.Limit, req.Cursor = int(c.Limit), c.Cursor
	first := true
	return m.pages("cannot list tokens", &req.Cursor, c.All, func() (string, error) {
		page, err := cl.List(ctx, req)
		if err != nil {
			return "", err
		}
		defer func() { first = false }()
		return page.NextCursor, c.show(m, page.Tokens, first)
	})
}

func (c *tokenListCmd) show(m *Main, tokens []api.Token, first bool) error {
	if c.JSON {
		return printEach(m, tokens)
	}
	if len(tokens) == 0 {
		if first {
			m.note("no tokens")
		}
		return nil
	}
	return m.print(tokenTable(tokens))
}
