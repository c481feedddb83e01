package commands

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Revoke asks for a token's end.
type Revoke struct {
	Tenant string
	ID     ulid.ULID
	Why
	// EffectiveAt is now if it is zero or past: a revocation cannot take back
	// validations that were answered before it was recorded.
	EffectiveAt time.Time
}

// Why is the reason for a revocation, for people and for counting.
type Why struct {
	Reason string
	Code   events.ReasonCode
}

// Changed is the outcome of a command that changes a token.
type Changed struct {
	Token tokens.Token
	// Seq is the event's, or that of the record where nothing had to be changed.
	Seq      uint64
	Replayed bool
}

// Revoke brings the token's end forward. On return with EffectiveAt reached, this
// node rejects the token. A token that ends no later already stays as it is, and
// that is no error: revoking can be repeated.
func (h *Handler) Revoke(ctx context.Context, c Caller, cmd Revoke) (Changed, error) {
	return h.change(ctx, c, "revoke", cmd.Tenant, cmd.ID, cmd, func(t tokens.Token, now time.Time) (events.Data, error) {
		d, err := decideRevoke(t, cmd, now)
		if d == nil {
			return nil, err
		}
		if err := h.keepRoot(t, now); err != nil {
			return nil, err
		}
		return d, nil
	})
}

func decideRevoke(t tokens.Token, cmd Revoke, now time.Time) (*events.TokenRevoked, error) {
	if err := cmd.check(); err != nil {
		return nil, err
	}
	if err := checkYear("effective_at", cmd.EffectiveAt); err != nil {
		return nil, err
	}
	at := cmd.EffectiveAt.UTC().Truncate(time.Millisecond)
	if at.Before(now) {
		at = now
	}
	if !t.RevokedAt.IsZero() && !at.Before(t.RevokedAt) {
		return nil, nil
	}
	d := &events.TokenRevoked{EffectiveAt: at, ReasonCode: cmd.Code, Reason: cmd.Reason}
	d.TokenID = t.ID
	return d, nil
}

func (w Why) check() error {
	if err := checkReason(w.Reason); err != nil {
		return err
	}
	if w.Code == "" || slices.Contains(events.ReasonCodes(), w.Code) {
		return nil
	}
	var codes []string
	for _, r := range events.ReasonCodes() {
		codes = append(codes, string(r))
	}
	return invalid("reason_code_invalid", "the reason_code is not one that the ledger counts by", "use one of "+strings.Join(codes, " "))
}

// keepRoot refuses to end the last token that holds ledger:root and can be counted
// on: without one, nobody could ever issue another. One with an end ahead, or that
// is bound to networks, does not count. It is called under h.roots, so that two last tokens cannot
// be ended at the same time on one node.
func (h *Handler) keepRoot(t tokens.Token, now time.Time) error {
	if !slices.Contains(t.Scopes, Root) {
		return nil
	}
	other, err := h.state.OtherRoot(t.ID, now)
	if err != nil {
		return err
	}
	if other {
		return nil
	}
	return conflict("last_root", "no other active token without an end and without networks holds "+Root+" than "+t.ID.String()+"; without one nobody could administer the ledger; nothing was changed",
		"rotate this token instead, or generate another for "+Root+" without an expiry first")
}
