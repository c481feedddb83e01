package main

import (
	"context"
	"fmt"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type tokenSuspendCmd struct {
	tokenID
	Reason string `help:"Why, for people."`
	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenSuspendCmd) Help() string {
	return `Example:

    tokenledger token suspend 01ARZ3NDEKTSV4RRFFQ69G5FAV --reason "seen from an unknown network"`
}

// Run implements the verb.
func (c *tokenSuspendCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	changed, err := cl.Suspend(ctx, c.ID, api.SuspendRequest{Reason: c.Reason}, c.options()...)
	if err != nil {
		return doing("cannot suspend "+c.ID, err)
	}
	return m.printChanged(changed, "Suspended", c.JSON)
}

type tokenResumeCmd struct {
	tokenID
	Reason string `help:"Why, for people."`
	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenResumeCmd) Help() string {
	return `Example:

    tokenledger token resume 01ARZ3NDEKTSV4RRFFQ69G5FAV --reason "it was the new office"`
}

// Run implements the verb.
func (c *tokenResumeCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	changed, err := cl.Resume(ctx, c.ID, api.SuspendRequest{Reason: c.Reason}, c.options()...)
	if err != nil {
		return doing("cannot resume "+c.ID, err)
	}
	return m.printChanged(changed, "Resumed", c.JSON)
}

type tokenUpdateCmd struct {
	tokenID
	Name      *string           `help:"New name."`
	Owner     *string           `help:"New owner; \"\" takes the owner away."`
	Meta      map[string]string `mapsep:"none" xor:"meta" placeholder:"KEY=VALUE" help:"Labels that replace all that are there; give it again for each."`
	ClearMeta bool              `xor:"meta" help:"Take all labels away."`
	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenUpdateCmd) Help() string {
	return `What bears on security (scopes, site, expiry, networks) is never edited in place: rotate the token, or generate another.

Example:

    tokenledger token update 01ARZ3NDEKTSV4RRFFQ69G5FAV --name "shop checkout (EU)" --owner ops`
}

// Run implements the verb.
func (c *tokenUpdateCmd) Run(ctx context.Context, m *Main) error {
	req := api.UpdateRequest{Name: c.Name, Owner: c.Owner}
	if c.ClearMeta {
		req.Metadata = &map[string]string{}
	} else if len(c.Meta) > 0 {
		req.Metadata = &c.Meta
	}
	if req == (api.UpdateRequest{}) {
		return usage("nothing to change: give --name, --owner, --meta or --clear-meta")
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	changed, err := cl.Update(ctx, c.ID, req, c.options()...)
	if err != nil {
		return doing("cannot update "+c.ID, err)
	}
	return m.printChanged(changed, "Updated", c.JSON)
}

// printChanged writes the record of a token to which something was done.
func (m *Main) printChanged(w client.Written[api.Token], done string, asJSON bool) error {
	noteReplay(m, w)
	if asJSON {
		return m.printJSON(w.Value)
	}
	return m.print(fmt.Sprintf("%s token %s.\n\n%s", done, clean(w.Value.ID), record(w.Value)))
}
