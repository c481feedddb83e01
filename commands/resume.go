package commands

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Resume asks for the end of a suspension.
type Resume struct {
	Tenant string
	ID     ulid.ULID
	Reason string
}

// Resume ends a suspension; a token that is not suspended stays as it is.
func (h *Handler) Resume(ctx context.Context, c Caller, cmd Resume) (Changed, error) {
	return h.change(ctx, c, "resume", cmd.Tenant, cmd.ID, cmd, func(t tokens.Token, now time.Time) (events.Data, error) {
		d, err := decideResume(t, cmd, now)
		if d == nil {
			return nil, err
		}
		return d, nil
	})
}

func decideResume(t tokens.Token, cmd Resume, now time.Time) (*events.TokenResumed, error) {
	if err := checkReason(cmd.Reason); err != nil {
		return nil, err
	}
	if err := mustLive(t, "resume", now); err != nil || !t.Suspended {
		return nil, err
	}
	d := &events.TokenResumed{Reason: cmd.Reason}
	d.TokenID = t.ID
	return d, nil
}
