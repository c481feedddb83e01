package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type tokenGenerateCmd struct {
	Name      string            `arg:"" help:"What the token is for, for people."`
	Site      string            `help:"The site or system that it is for."`
	Owner     string            `help:"Who answers for it."`
	Scope     []string          `sep:"none" placeholder:"SCOPE" help:"What it may be used for; give it again for each."`
	Role      string            `placeholder:"ROLE" help:"Permissions of the ledger by name, beside the scopes: admin, auditor, validator or subscriber."`
	Tenant    string            `help:"Tenant; your own if not given."`
	TTL       string            `name:"ttl" xor:"end" placeholder:"90d" help:"How long it lives, such as 90d, 12h or 1h30m."`
	ExpiresAt *instant          `xor:"end" placeholder:"TIME" help:"When it expires, such as 2026-03-01T00:00:00Z."`
	NotBefore *instant          `placeholder:"TIME" help:"When it begins to be good."`
	AllowCIDR []string          `name:"allow-cidr" sep:"none" placeholder:"NET" help:"A network that it may be used from, such as 192.0.2.0/24; give it again for each."`
	Meta      map[string]string `mapsep:"none" placeholder:"KEY=VALUE" help:"A label of your own; give it again for each."`

	secretOut
	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenGenerateCmd) Help() string {
	return `The secret is in this answer and never again: the ledger keeps only a hash of it. With an idempotency key, a repeat gives the record without the secret.

Example:

    tokenledger token generate "shop checkout" --site shop.example --scope orders:read --ttl 90d
    tokenledger token generate ci --secret-file ci-token --meta team=build
    tokenledger token generate gateway --role validator --secret-file gateway-token`
}

// Run implements the verb.
func (c *tokenGenerateCmd) Run(ctx context.Context, m *Main) error {
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
	made, err := cl.Generate(ctx, api.GenerateRequest{
		Name: c.Name, Site: c.Site, Owner: c.Owner, Scopes: c.Scope, Role: c.Role, Tenant: c.Tenant,
		TTL: c.TTL, ExpiresAt: c.ExpiresAt.pointer(), NotBefore: c.NotBefore.pointer(),
		AllowedCIDRs: c.AllowCIDR, Metadata: c.Meta,
	}, c.options()...)
	if err != nil {
		return doing("cannot generate the token", secretUnread(err))
	}
	return c.give(m, f, made, fmt.Sprintf("Generated token %s.", made.Value.Token.ID), c.JSON)
}

// secretUnread adds to an error after which a token may be there whose secret
// nobody has seen what to do about it.
func secretUnread(err error) error {
	if ae, ok := errors.AsType[*client.AnswerError](err); ok && ae.Seq != 0 {
		return fmt.Errorf("%w; its secret was not read and is lost: find the token (tokenledger token list), revoke it and generate another", err)
	}
	return err
}
