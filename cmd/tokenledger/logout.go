package main

import (
	"context"
	"fmt"
	"os"
)

type logoutCmd struct {
	form
	connection
}

// Help implements kong.HelpProvider.
func (logoutCmd) Help() string {
	return `Ends your session on every node, and takes the token file away.

Example:

    tokenledger logout --token-file $HOME/.tokenledger-session`
}

// Run implements the verb.
func (c *logoutCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	out, err := cl.SignOut(ctx)
	if err != nil {
		return doing("cannot sign out", err)
	}
	if c.TokenFile != "" { // it held nothing but this session
		if err := os.Remove(c.TokenFile); err != nil {
			return fmt.Errorf("the session has ended, but its token file is still there: %w", err)
		}
	}
	if c.JSON {
		return m.printJSON(out.Value)
	}
	return m.print("Signed out: session " + clean(out.Value.ID) + " has ended.\n")
}
