package main

import (
	"context"
	"fmt"

	"github.com/tokenledger/tokenledger/client/api"
)

type tokenRotateCmd struct {
	tokenID
	Grace string `placeholder:"24h" help:"How long the old token stays good; it ends at once if not given."`

	secretOut
	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenRotateCmd) Help() string {
	return `The new token has the labels and scopes of the old one, and a secret of its own, which is shown once.

Example:

    tokenledger token rotate 01ARZ3NDEKTSV4RRFFQ69G5FAV --grace 24h`
}

// Run implements the verb.
func (c *tokenRotateCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	f, drop, err := c.prepare()
	if err != nil {
		return err
	}
	defer drop()
	made, err := cl.Rotate(ctx, c.ID, api.RotateRequest{Grace: c.Grace}, c.options()...)
	if err != nil {
		return doing("cannot rotate "+c.ID, secretUnread(err))
	}
	return c.give(m, f, made, fmt.Sprintf("Generated token %s in the place of %s.", made.Value.Token.ID, c.ID), c.JSON)
}
