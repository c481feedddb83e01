package commands

import (
	"context"
	"maps"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Update asks for other labels on a token. Nil fields stay as they are. Nothing
// that bears on security can be changed in place.
type Update struct {
	Tenant string
	ID     ulid.ULID
	Name   *string
	// Owner "" takes the owner away.
	Owner *string
	// Metadata replaces all that was there.
	Metadata *map[string]string
	// Allow, if not nil, is asked about the token as it is before it is changed. On one
	// node, no other update comes between.
	Allow func(tokens.Token) error `json:"-"`
}

// Update changes labels. What is as asked for already is no change, and an update
// without a change records nothing.
func (h *Handler) Update(ctx context.Context, c Caller, cmd Update) (Changed, error) {
	defer h.updating.lock(cmd.ID)()
	return h.change(ctx, c, "update", cmd.Tenant, cmd.ID, cmd, func(t tokens.Token, _ time.Time) (events.Data, error) {
		if cmd.Allow != nil {
			if err := cmd.Allow(t); err != nil {
				return nil, err
			}
		}
		d, err := decideUpdate(h.policy, t, cmd)
		if d == nil {
			return nil, err
		}
		return d, nil
	})
}

func decideUpdate(p Policy, t tokens.Token, cmd Update) (*events.TokenUpdated, error) {
	if err := notASession("update", t); err != nil {
		return nil, err
	}
	if cmd.Name == nil && cmd.Owner == nil && cmd.Metadata == nil {
		return nil, invalid("nothing_to_update", "the request names no label", "give name, owner or metadata; for scopes, site or expiry rotate or generate a token")
	}
	d := &events.TokenUpdated{}
	d.TokenID = t.ID
	if cmd.Name != nil {
		if err := checkText("name", *cmd.Name, p.NameLength.or(defaultMinName, maxLabel)); err != nil {
			return nil, err
		}
		if *cmd.Name != t.Name {
			d.Name = cmd.Name
		}
	}
	if cmd.Owner != nil {
		if err := checkText("owner", *cmd.Owner, Length{0, maxLabel}); err != nil {
			return nil, err
		}
		if *cmd.Owner != t.Owner {
			d.Owner = cmd.Owner
		}
	}
	if cmd.Metadata != nil {
		if err := checkMetadata(*cmd.Metadata); err != nil {
			return nil, err
		}
		if !maps.Equal(*cmd.Metadata, t.Metadata) {
			d.Metadata = cmd.Metadata
		}
	}
	if d.Name == nil && d.Owner == nil && d.Metadata == nil {
		return nil, nil
	}
	return d, nil
}
