package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Generate asks for a new token.
type Generate struct {
	// Tenant is settled before: never empty here.
	Tenant string
	Labels
}

// Labels is what a new token is given, minted or imported.
type Labels struct {
	Name, Site, Owner string
	Scopes            []string
	// Role adds its permissions to Scopes. Left out of the fingerprint of a request
	// that has none, so that a key used before there were roles stays good.
	Role Role `json:",omitempty"`
	// TTL counts from now; it excludes ExpiresAt. Zero of both never expires.
	TTL                  time.Duration
	ExpiresAt, NotBefore time.Time
	AllowedCIDRs         []string
	Metadata             map[string]string
}

// Generated is the outcome of Generate and Rotate.
type Generated struct {
	// Secret is empty when Replayed: it was seen once, by the first answer.
	Secret   secret.Secret
	Token    tokens.Token
	Seq      uint64
	Replayed bool
}

// Generate mints a token and records it. On return it is good on this node.
func (h *Handler) Generate(ctx context.Context, c Caller, cmd Generate) (Generated, error) {
	return once(ctx, h, c, "generate", cmd.Tenant, cmd, func(idem events.Idempotency) (Generated, error) {
		now := h.now()
		id := NewID(now)
		minted := secret.Mint(h.prefix, id)
		data, err := decideGenerate(h.policy, c, cmd.Labels, now)
		if err != nil {
			return Generated{}, err
		}
		data.TokenID, data.SHA256 = id, minted.Hash()
		seq, err := h.append(ctx, c, idem, now, fact{cmd.Tenant, data})
		if err != nil {
			return Generated{}, err
		}
		t, err := h.token(cmd.Tenant, id)
		return Generated{Secret: minted, Token: t, Seq: seq}, Unread(err)
	}, h.replayGenerated)
}

// decideGenerate gives the event of a new token, but for its id and hash.
func decideGenerate(p Policy, c Caller, l Labels, now time.Time) (*events.TokenGenerated, error) {
	if err := checkText("name", l.Name, p.NameLength.or(defaultMinName, maxLabel)); err != nil {
		return nil, err
	}
	if err := checkText("site", l.Site, p.SiteLength.or(0, maxLabel)); err != nil {
		return nil, err
	}
	if err := checkText("owner", l.Owner, Length{0, maxLabel}); err != nil {
		return nil, err
	}
	if err := checkMetadata(l.Metadata); err != nil {
		return nil, err
	}
	if len(l.Scopes) > maxScopes { // before they are compared with each other
		return nil, tooManyScopes(len(l.Scopes))
	}
	scopes, err := l.withRole()
	if err != nil {
		return nil, err
	}
	if err := p.checkScopes(c, scopes); err != nil {
		return nil, err
	}
	cidrs, err := checkCIDRs(l.AllowedCIDRs)
	if err != nil {
		return nil, err
	}
	expiresAt, err := l.expiry(now)
	if err != nil {
		return nil, err
	}
	notBefore := l.NotBefore.UTC().Truncate(time.Millisecond)
	if err := checkYear("not_before", notBefore); err != nil {
		return nil, err
	}
	if err := p.checkLife(now, notBefore, expiresAt); err != nil {
		return nil, err
	}
	return &events.TokenGenerated{
		Name: l.Name, Site: l.Site, Owner: l.Owner, Scopes: scopes,
		ExpiresAt: expiresAt, NotBefore: notBefore, AllowedCIDRs: cidrs, Metadata: l.Metadata,
	}, nil
}

// expiry is when a token with these labels ends; zero for never.
func (l Labels) expiry(now time.Time) (time.Time, error) {
	if l.TTL == 0 {
		t := l.ExpiresAt.UTC().Truncate(time.Millisecond)
		return t, checkYear("expires_at", t)
	}
	if !l.ExpiresAt.IsZero() {
		return time.Time{}, invalid("expiry_twice", "the request sets both ttl and expires_at", "set one of them")
	}
	if l.TTL < 0 {
		return time.Time{}, invalid("ttl_invalid", fmt.Sprintf("a ttl of %s is negative", l.TTL), durationHint)
	}
	return now.Add(l.TTL), nil
}

// checkYear keeps times within what RFC 3339 can write.
func checkYear(field string, t time.Time) error {
	if !t.IsZero() && (t.Year() < 1970 || t.Year() > 9999) {
		return invalid("time_invalid", fmt.Sprintf("%s is in the year %d", field, t.Year()), "give a year from 1970 to 9999")
	}
	return nil
}

// distinct drops repeats and keeps the order.
func distinct(scopes []string) []string {
	var out []string
	for _, s := range scopes {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// replayGenerated answers a repeat with the record as the first answer gave it.
// The event of the new token is the first of the command's.
func (h *Handler) replayGenerated(ctx context.Context, first []tokens.Answered) (Generated, error) {
	t, err := h.state.TokenAt(ctx, first[0].TokenID, first[0].Seq)
	return Generated{Token: t, Seq: first[len(first)-1].Seq, Replayed: true}, err
}
