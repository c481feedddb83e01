package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Suspend asks that a token be not good until it is resumed.
type Suspend struct {
	Tenant string
	ID     ulid.ULID
	Reason string
}

// Suspend suspends a token; one that is suspended stays so.
func (h *Handler) Suspend(ctx context.Context, c Caller, cmd Suspend) (Changed, error) {
	return h.change(ctx, c, "suspend", cmd.Tenant, cmd.ID, cmd, func(t tokens.Token, now time.Time) (events.Data, error) {
		d, err := decideSuspend(t, cmd, now)
		if d == nil {
			return nil, err
		}
		if err := h.keepRoot(t, now); err != nil {
			return nil, err
		}
		return d, nil
	})
}

func decideSuspend(t tokens.Token, cmd Suspend, now time.Time) (*events.TokenSuspended, error) {
	if err := checkReason(cmd.Reason); err != nil {
		return nil, err
	}
	if err := mustLive(t, "suspend", now); err != nil || t.Suspended {
		return nil, err
	}
	d := &events.TokenSuspended{Reason: cmd.Reason}
	d.TokenID = t.ID
	return d, nil
}

// mustLive refuses to touch a token that has ended.
func mustLive(t tokens.Token, verb string, now time.Time) error {
	switch status := t.Status(now); status {
	case tokens.StatusRevoked, tokens.StatusExpired:
		return conflict("not_active", fmt.Sprintf("cannot %s %s: it is %s; nothing was changed", verb, t.ID, status), "generate a new token instead")
	}
	return nil
}
