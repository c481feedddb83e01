package main

import (
	"context"

	"github.com/tokenledger/tokenledger/client/api"
)

type auditTraceCmd struct {
	Token  string `arg:"" optional:"" help:"The token's id or its whole name. Without it, the token itself comes on standard input."`
	Tenant string `help:"Tenant; your own if not given, and all of them with ledger:root."`

	proving
	form
	connection
}

// Help implements kong.HelpProvider.
func (auditTraceCmd) Help() string {
	return `What it is, who made it and from where, what its maker did besides, every address that presented it, what was changed, and what came after its revocation. A token that was found somewhere comes on standard input: it is compared, and neither kept nor shown. That you asked is recorded.

Example:

    tokenledger audit trace < leaked.txt
    tokenledger audit trace "shop checkout"
    tokenledger audit trace 01ARZ3NDEKTSV4RRFFQ69G5FAV --json --proof`
}

// Run implements the verb.
func (c *auditTraceCmd) Run(ctx context.Context, m *Main) error {
	if err := c.check(&c.form); err != nil {
		return err
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := api.TraceRequest{Token: c.Token, Tenant: c.Tenant, Proof: c.Proof}
	if c.Token == "" {
		if req.Secret, err = m.readToken(ctx, "audit trace"); err != nil {
			return err
		}
	}
	story, err := cl.Trace(ctx, req)
	if err != nil {
		return doing("cannot trace the token", err)
	}
	if story.MoreProofs {
		m.note("not all sequences are proven, they are too many: tokenledger audit events --token %s --all --json --proof proves every event", story.Token.ID)
	}
	if c.JSON {
		return m.printJSON(story)
	}
	return m.print(tell(story))
}
