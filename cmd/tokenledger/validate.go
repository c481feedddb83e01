package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
)

type validateCmd struct {
	Scope     []string `sep:"none" placeholder:"SCOPE" help:"A scope that it must hold; give it again for each."`
	Site      string   `help:"The site or system that it is presented to."`
	ClientIP  string   `name:"client-ip" placeholder:"IP" help:"Where it was presented from."`
	UserAgent string   `help:"What presented it."`
	Resource  string   `help:"What it was presented for."`
	MinSeq    uint64   `placeholder:"SEQ" help:"Wait until the answer takes in this sequence."`

	form
	connection
}

// Help implements kong.HelpProvider.
func (validateCmd) Help() string {
	return `The token to check comes on standard input; your own, which must hold ledger:tokens:validate, is in TOKENLEDGER_TOKEN. The check is recorded as a use, or a rejection, of the token. The exit code is 0 if it is valid and 3 if not.

Example:

    tokenledger validate --scope orders:read --site shop.example < token.txt`
}

// Run implements the verb.
func (c *validateCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	token, err := m.readToken(ctx, "validate")
	if err != nil {
		return err
	}
	answer, err := cl.Validate(ctx, api.ValidateRequest{
		Token: token, Scopes: c.Scope, Site: c.Site, ClientIP: c.ClientIP,
		UserAgent: c.UserAgent, Resource: c.Resource, MinSeq: c.MinSeq,
	})
	if err != nil {
		return doing("cannot check the token", err)
	}
	if c.JSON {
		err = m.printJSON(answer)
	} else {
		err = m.print(verdict(answer))
	}
	if err == nil && !answer.Active {
		return withCode(exitDenied, nil)
	}
	return err
}

// verdict is the answer for people, on one line.
func verdict(a api.ValidateAnswer) string {
	if !a.Active {
		if why := explain(a.Reason); why != "" {
			return fmt.Sprintf("not valid: %s (%s)\n", a.Reason, why)
		}
		return fmt.Sprintf("not valid: %s\n", clean(a.Reason))
	}
	text := "valid"
	if t := a.Token; t != nil {
		text += fmt.Sprintf(": token %s %q of tenant %s", clean(t.ID), t.Name, clean(t.Tenant))
		if t.Site != "" {
			text += ", site " + clean(t.Site)
		}
		if len(t.Scopes) > 0 {
			text += ", scopes " + clean(strings.Join(t.Scopes, " "))
		}
		if t.ExpiresAt != nil {
			text += ", expires " + when(t.ExpiresAt)
		}
	}
	return text + fmt.Sprintf(" (as of sequence %d)\n", a.AsOfSeq)
}

// explain says what a reason means, and what to do.
func explain(reason string) string {
	switch reason {
	case "malformed":
		return "it is no ledger token, or was not copied whole: copy it again"
	case "unknown":
		return "this ledger has no such token: is it from another ledger?"
	case "bad_secret":
		return "a token with this id is known, but its secret is another: copy it again; if nobody miscopied it, somebody guesses"
	case "revoked":
		return "it was ended for good: tokenledger token show ID says when and why; generate another if it is still needed"
	case "expired":
		return "its time is over: generate another"
	case "not_yet_valid":
		return "its time has not come: tokenledger token show ID says when it does"
	case "suspended":
		return "it is suspended: tokenledger token resume ID makes it good again"
	case "insufficient_scope":
		return "it does not hold every scope asked for: generate one that does, or ask for less"
	case "site_mismatch":
		return "it is for another site or system: use a separate token for each"
	case "ip_denied":
		return "it was presented from a network that it is not allowed from"
	}
	return ""
}
