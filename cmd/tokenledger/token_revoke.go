package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type tokenRevokeCmd struct {
	ID []string `arg:"" optional:"" help:"Ids of the tokens; none with a filter."`

	Reason      string     `help:"Why, for people."`
	ReasonCode  reasonCode `placeholder:"CODE" help:"Why, in a word that can be counted: leaked, rotated, unused, offboarding, requested or other."`
	EffectiveAt *instant   `placeholder:"TIME" help:"When they end; at once if not given."`

	Filter filter `embed:"" group:"Filter, in the place of ids:"`
	DryRun bool   `group:"Filter, in the place of ids:" help:"Say what would be revoked, and revoke nothing."`
	Yes    bool   `short:"y" group:"Filter, in the place of ids:" help:"Do not ask."`

	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenRevokeCmd) Help() string {
	return `When it is done, the node rejects the tokens. Revoking again changes nothing and is no error. With a filter it asks first, on a terminal; elsewhere --yes is needed. A filter may match any number of tokens; it waits as long as it takes.

Example:

    tokenledger token revoke 01ARZ3NDEKTSV4RRFFQ69G5FAV --reason-code leaked --reason "posted in a ticket"
    tokenledger token revoke --site shop.example --unused-since 90d --dry-run`
}

// Run implements the verb.
func (c *tokenRevokeCmd) Run(ctx context.Context, m *Main) error {
	byFilter := c.Filter != filter{}
	switch {
	case len(c.ID) > 0 && (byFilter || c.DryRun):
		return usage("give ids, or a filter with --dry-run or --yes, not both")
	case len(c.ID) == 0 && c.Filter.bulk(time.Now()) == api.Filter{}:
		return usage("nothing to revoke: give ids, or at least one of --site, --owner, --name, --status, --scope, --unused-since, --expires-before")
	case byFilter && c.EffectiveAt != nil:
		return usage("--effective-at goes with ids; a filter revokes at once")
	case len(c.ID) > 1 && c.IdempotencyKey != "":
		return usage("one --idempotency-key cannot stand for several tokens; revoking again is safe without")
	}
	_, onTerminal := terminal(m.Stdin)
	if byFilter && !c.DryRun && !c.Yes && !onTerminal {
		return usage("refusing to revoke by a filter without asking: see what it matches with --dry-run, then give --yes")
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	if byFilter {
		return c.bulk(ctx, m, cl)
	}
	return c.each(ctx, m, cl)
}

// each revokes one id after another. One that fails stops the others only if the
// node cannot be reached.
func (c *tokenRevokeCmd) each(ctx context.Context, m *Main, cl *client.Client) error {
	code := exitDone
	for i, id := range c.ID {
		w, err := cl.Revoke(ctx, id, api.RevokeRequest{
			Reason: c.Reason, ReasonCode: string(c.ReasonCode), EffectiveAt: c.EffectiveAt.pointer(),
		}, c.options()...)
		if err != nil {
			err = doing("cannot revoke "+id, err)
			if len(c.ID) == 1 {
				return err
			}
			m.report(err)
			code = max(code, exitCode(err))
			if _, ok := errors.AsType[*client.UnreachableError](err); ok || ctx.Err() != nil {
				for _, rest := range c.ID[i+1:] {
					m.note("not tried: %s", rest)
				}
				break
			}
			continue
		}
		noteReplay(m, w)
		if c.JSON {
			err = m.printJSON(w.Value)
		} else {
			err = m.print(revokedLine(w.Value))
		}
		if err != nil {
			return err
		}
	}
	if code != exitDone {
		return withCode(code, nil)
	}
	return nil
}

func revokedLine(t api.Token) string {
	if t.Status != "revoked" {
		return fmt.Sprintf("Token %s (%s) ends at %s.\n", clean(t.ID), clean(t.Name), when(t.RevokedAt))
	}
	return fmt.Sprintf("Token %s (%s) is revoked, since %s.\n", clean(t.ID), clean(t.Name), byWhom(t.RevokedAt, clean(t.RevokedBy)))
}

// bulk revokes what the filter matches, after asking.
func (c *tokenRevokeCmd) bulk(ctx context.Context, m *Main, cl *client.Client) error {
	req := api.BulkRevokeRequest{
		Tenant: c.Filter.Tenant, Filter: c.Filter.bulk(time.Now()),
		DryRun: true, Reason: c.Reason, ReasonCode: string(c.ReasonCode),
	}
	if c.DryRun || !c.Yes {
		would, err := cl.BulkRevoke(ctx, req)
		if err != nil {
			return doing("cannot find the tokens", err)
		}
		if c.DryRun {
			return c.showBulk(m, would.Value, fmt.Sprintf("%s would be revoked; nothing was changed.\n", count(would.Value.Matched, "token")))
		}
		if would.Value.Matched == 0 {
			return c.showBulk(m, would.Value, "No token matches; nothing was changed.\n")
		}
		fmt.Fprint(m.Stderr, tokenTable(firstOf(would.Value.Tokens, 20)))
		if more := would.Value.Matched - 20; more > 0 {
			m.note("and %d more", more)
		}
		yes, err := m.confirm(ctx, fmt.Sprintf("Revoke %s?", count(would.Value.Matched, "token")))
		if err != nil {
			return err
		}
		if !yes {
			return errors.New("nothing was revoked: the answer was no")
		}
	}
	req.DryRun = false
	done, err := cl.BulkRevoke(ctx, req, c.options()...)
	if err != nil {
		return doing("cannot revoke the tokens", err)
	}
	noteReplay(m, done)
	return c.showBulk(m, done.Value, fmt.Sprintf("%s matched, %d revoked.\n", count(done.Value.Matched, "token"), done.Value.Revoked))
}

func (c *tokenRevokeCmd) showBulk(m *Main, b api.BulkRevoked, summary string) error {
	if c.JSON {
		return m.printJSON(b)
	}
	if len(b.Tokens) > 0 {
		summary += "\n" + tokenTable(b.Tokens)
	}
	if b.TokensOmitted > 0 {
		summary += fmt.Sprintf("and %d more\n", b.TokensOmitted)
	}
	return m.print(summary)
}

func firstOf(tokens []api.Token, n int) []api.Token { return tokens[:min(n, len(tokens))] }
