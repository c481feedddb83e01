package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Rotate asks for a new secret in a token's place.
type Rotate struct {
	Tenant string
	ID     ulid.ULID
	// Grace is how long the old token stays good.
	Grace time.Duration
}

// Rotate generates a token with the labels, scopes and length of life of the old
// one, and ends the old one after the grace, in one atomic batch.
func (h *Handler) Rotate(ctx context.Context, c Caller, cmd Rotate) (Generated, error) {
	return once(ctx, h, c, "rotate", cmd.Tenant, cmd, func(idem events.Idempotency) (Generated, error) {
		defer h.rotating.lock(cmd.ID)()
		old, err := h.token(cmd.Tenant, cmd.ID)
		if err != nil {
			return Generated{}, err
		}
		now := h.now()
		born, ended, err := decideRotate(h.policy, c, old, cmd, now)
		if err != nil {
			return Generated{}, err
		}
		id := NewID(now)
		minted := secret.Mint(h.prefix, id)
		born.TokenID, born.SHA256 = id, minted.Hash()
		seq, err := h.append(ctx, c, idem, now, fact{cmd.Tenant, born}, fact{cmd.Tenant, ended})
		if err != nil {
			return Generated{}, err
		}
		t, err := h.token(cmd.Tenant, id)
		return Generated{Secret: minted, Token: t, Seq: seq}, Unread(err)
	}, h.replayGenerated)
}

func decideRotate(p Policy, c Caller, old tokens.Token, cmd Rotate, now time.Time) (*events.TokenGenerated, *events.TokenRevoked, error) {
	if err := notASession("rotate", old); err != nil {
		return nil, nil, err
	}
	id := old.ID.String()
	if !old.RotatedTo.IsZero() {
		return nil, nil, conflict("already_rotated", fmt.Sprintf("cannot rotate %s: it was rotated to %s; nothing was changed", id, old.RotatedTo), "rotate "+old.RotatedTo.String())
	}
	switch status := old.Status(now); status {
	case tokens.StatusActive, tokens.StatusPending:
	default:
		return nil, nil, conflict("not_active", fmt.Sprintf("cannot rotate %s: it is %s; nothing was changed", id, status), "generate a new token instead")
	}
	if cmd.Grace < 0 {
		return nil, nil, invalid("grace_invalid", fmt.Sprintf("a grace of %s is negative", cmd.Grace), `write "0s", "24h" or "7d"`)
	}
	ends := now.Add(cmd.Grace)
	for what, end := range map[string]time.Time{"expires": old.ExpiresAt, "is revoked": old.RevokedAt} {
		if !end.IsZero() && ends.After(end) {
			return nil, nil, invalid("grace_too_long",
				fmt.Sprintf("a grace of %s ends at %s, after the old token %s at %s", showDuration(cmd.Grace), showTime(ends), what, showTime(end)),
				"ask for a shorter grace")
		}
	}
	l := Labels{Name: old.Name, Site: old.Site, Owner: old.Owner, Scopes: old.Scopes, Metadata: old.Metadata}
	if !old.ExpiresAt.IsZero() {
		l.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
		if l.ExpiresAt.Before(old.ExpiresAt) {
			l.ExpiresAt = old.ExpiresAt // a Duration ends after 292 years
		}
	}
	if old.ExpiresAt.IsZero() && slices.Contains(old.Scopes, Root) {
		// The ledger's own key: with an end to it, the ledger would lock itself.
		p.MaxLife = 0
	}
	if p.MaxLife > 0 && (l.ExpiresAt.IsZero() || l.ExpiresAt.Sub(now) > p.MaxLife) {
		// A policy set after the old token was generated holds for the new one.
		l.ExpiresAt = now.Add(p.MaxLife)
	}
	if old.NotBefore.After(now) {
		l.NotBefore = old.NotBefore
	}
	for _, cidr := range old.AllowedCIDRs {
		l.AllowedCIDRs = append(l.AllowedCIDRs, cidr.String())
	}
	born, err := decideGenerate(p, c, l, now)
	if err != nil {
		return nil, nil, err
	}
	born.RotatedFrom = old.ID
	ended := &events.TokenRevoked{EffectiveAt: ends, ReasonCode: events.ReasonRotated}
	ended.TokenID = old.ID
	return born, ended, nil
}
