package httpapi

import (
	"net/http"
	"time"

	"github.com/tokenledger/tokenledger/internal/wire"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// changeOne reads the id and the body, has do carry it out, and answers with the
// record.
func changeOne[In any](c *call, do func(id ulid.ULID, in In) (commands.Changed, error)) error {
	id, err := c.tokenID()
	if err != nil {
		return err
	}
	var in In
	if err := c.maybeInto(&in); err != nil {
		return err
	}
	out, err := do(id, in)
	if err != nil {
		return err
	}
	t, err := c.api.Ledger.Record(out.Token)
	if err != nil {
		return err
	}
	c.seq(out.Seq, out.Replayed)
	return c.json(http.StatusOK, record(t, c.api.Ledger.Now()))
}

func revoke(c *call) error {
	return changeOne(c, func(id ulid.ULID, in api.RevokeRequest) (commands.Changed, error) {
		var g given
		cmd := commands.Revoke{
			ID: id, Why: commands.Why{Reason: in.Reason, Code: events.ReasonCode(in.ReasonCode)}, EffectiveAt: g.time("effective_at", in.EffectiveAt),
		}
		if g.err != nil {
			return commands.Changed{}, g.err
		}
		return c.api.Ledger.Revoke(c.r.Context(), c.session, cmd)
	})
}

func suspend(c *call) error {
	return changeOne(c, func(id ulid.ULID, in api.SuspendRequest) (commands.Changed, error) {
		return c.api.Ledger.Suspend(c.r.Context(), c.session, commands.Suspend{ID: id, Reason: in.Reason})
	})
}

func resume(c *call) error {
	return changeOne(c, func(id ulid.ULID, in api.SuspendRequest) (commands.Changed, error) {
		return c.api.Ledger.Resume(c.r.Context(), c.session, commands.Resume{ID: id, Reason: in.Reason})
	})
}

func update(c *call) error {
	return changeOne(c, func(id ulid.ULID, in api.UpdateRequest) (commands.Changed, error) {
		return c.api.Ledger.Update(c.r.Context(), c.session, commands.Update{ID: id, Name: in.Name, Owner: in.Owner, Metadata: in.Metadata}, c.ifMatch())
	})
}

// checkFilter refuses a filter with a part that is there and empty: it would fall out,
// and the filter choose more than was meant.
func checkFilter(body []byte) error {
	var sent struct {
		Filter map[string]jsontext.Value `json:"filter"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err // it was decoded before
	}
	for name, value := range sent.Filter {
		if text := string(value); text == `""` || text == "null" {
			return &commands.Error{Kind: commands.Invalid, Code: "filter_invalid", Detail: "filter." + name + " is empty", Hint: "give it a value, or leave it out"}
		}
	}
	return nil
}

func revokeMany(c *call) error {
	var in api.BulkRevokeRequest
	raw, err := c.body(maxBody)
	if err == nil {
		err = wire.Decode(raw, &in)
	}
	if err == nil {
		err = checkFilter(raw)
	}
	if err != nil {
		return err
	}
	var g given
	unusedSince, expiresBefore := g.time("unused_since", in.Filter.UnusedSince), g.time("expires_before", in.Filter.ExpiresBefore)
	if g.err != nil {
		return g.err
	}
	out, err := c.api.Ledger.RevokeMany(c.r.Context(), c.session, commands.RevokeMany{
		Tenant: in.Tenant, DryRun: in.DryRun,
		Filter: tokens.Query{
			Site: in.Filter.Site, Owner: in.Filter.Owner, Name: in.Filter.Name, Status: tokens.Status(in.Filter.Status),
			Scope: in.Filter.Scope, UnusedSince: unusedSince, ExpiresBefore: expiresBefore,
		},
		Why: commands.Why{Reason: in.Reason, Code: events.ReasonCode(in.ReasonCode)},
	})
	if err != nil {
		return err
	}
	answer := api.BulkRevoked{Matched: out.Matched, Revoked: out.Revoked, Tokens: []api.Token{}, TokensOmitted: out.Matched - len(out.Tokens)}
	for _, t := range out.Tokens {
		withUsage, err := c.api.Ledger.Record(t)
		if err != nil {
			return err
		}
		answer.Tokens = append(answer.Tokens, record(withUsage, c.api.Ledger.Now()))
	}
	c.seq(out.Seq, out.Replayed)
	// Many take longer than an answer usually may.
	_ = c.controller().SetWriteDeadline(time.Now().Add(stall))
	return c.json(http.StatusOK, answer)
}
