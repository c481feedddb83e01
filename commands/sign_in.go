package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// SignIn asks for a session of a person whom an issuer has vouched for.
type SignIn struct {
	Person events.Person
	// Groups are the issuer's. What they give is for [People] to say.
	Groups []string
	// Tenant is the one to work on; empty is the only one there is.
	Tenant string
}

// People is what the operator gives to people who sign in.
type People struct {
	Grants []Grant
	// Life is how long a session is good. The policy may bound it further.
	Life time.Duration
}

// SignedIn is the outcome of SignIn.
type SignedIn struct {
	// Secret is the session's token.
	Secret secret.Secret
	Token  tokens.Token
	Membership
	Seq uint64
}

// SignIn generates the token that is the person's session. On return it is good on
// this node. The event bears the person, as its actor and as whose session it is.
func (h *Handler) SignIn(ctx context.Context, origin events.Origin, cmd SignIn) (SignedIn, error) {
	now := h.now()
	data, m, err := decideSignIn(h.people, h.policy, cmd, now)
	if err != nil {
		return SignedIn{}, err
	}
	id := NewID(now)
	minted := secret.Mint(h.prefix, id)
	data.TokenID, data.SHA256 = id, minted.Hash()
	// The person acts without a token of the ledger yet.
	c := Caller{Actor: actorOf(data.Person), Origin: origin, Tenant: m.Tenant, Scopes: data.Scopes}
	seq, err := h.append(ctx, c, events.Idempotency{}, now, fact{m.Tenant, data})
	if err != nil {
		return SignedIn{}, err
	}
	t, err := h.token(m.Tenant, id)
	return SignedIn{Secret: minted, Token: t, Membership: m, Seq: seq}, Unread(err)
}

// MaySignIn gives what SignIn would give, and changes nothing.
func (h *Handler) MaySignIn(cmd SignIn) (Membership, error) {
	_, m, err := decideSignIn(h.people, h.policy, cmd, h.now())
	return m, err
}

// decideSignIn gives the event of a session, but for its id and hash.
func decideSignIn(people People, policy Policy, cmd SignIn, now time.Time) (*events.TokenGenerated, Membership, error) {
	person, err := checkPerson(cmd.Person)
	if err != nil {
		return nil, Membership{}, err
	}
	if len(cmd.Groups) > maxGroups {
		return nil, Membership{}, claimRefused(fmt.Sprintf("the issuer counts you among %d groups; the ledger reads %d at the most", len(cmd.Groups), maxGroups),
			"have the issuer tell only the groups that are meant for the ledger")
	}
	m, err := choose(memberships(people.Grants, cmd.Groups), cmd.Tenant)
	if err != nil {
		return nil, Membership{}, err
	}
	life := people.Life
	if policy.MaxLife > 0 {
		life = min(life, policy.MaxLife)
	}
	return &events.TokenGenerated{
		// The owner makes a person's sessions findable: one filter lists or ends all.
		Name: person.Name, Owner: person.ID(), Scopes: m.Scopes(), ExpiresAt: now.Add(life), Person: person,
	}, m, nil
}

// TenantChoice is the cause of an error that asks somebody to choose a tenant.
type TenantChoice struct{ Tenants []string }

func (c *TenantChoice) Error() string { return "the tenants are " + strings.Join(c.Tenants, " ") }

// choose finds the tenant that a person works on.
func choose(all []Membership, tenant string) (Membership, error) {
	switch {
	case len(all) == 0:
		return Membership{}, &Error{Kind: Forbidden, Code: "no_role_granted",
			Detail: "you are who you say, but none of your groups has a role in this ledger; no session was made",
			Hint:   "ask the operator to grant a role to one of your groups, or your issuer's admin to add you to one that has a role"}
	case tenant != "":
		i := slices.IndexFunc(all, func(m Membership) bool { return m.Tenant == tenant })
		if i < 0 {
			return Membership{}, &Error{Kind: Forbidden, Code: "no_role_granted",
				Detail: "none of your groups has a role in the tenant that you ask for; no session was made", Hint: "ask for another tenant, or for none if you have one"}
		}
		return all[i], nil
	case len(all) > 1:
		choice := &TenantChoice{}
		for _, m := range all {
			choice.Tenants = append(choice.Tenants, m.Tenant)
		}
		return Membership{}, &Error{Kind: Conflict, Code: "tenant_ambiguous", Cause: choice,
			Detail: "your groups have roles in several tenants, and a session is for one; no session was made",
			Hint:   "sign in with tenant= one of " + strings.Join(choice.Tenants, " ")}
	}
	return all[0], nil
}
