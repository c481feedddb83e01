package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// RevokeMany asks for the end of every token that a filter chooses.
type RevokeMany struct {
	Tenant string
	// Filter needs at least one of its filtering fields, so that a slip does not
	// end everything. Its tenant, page and time are the command's to set.
	Filter tokens.Query
	DryRun bool
	Why
}

// RevokedMany is the outcome of RevokeMany.
type RevokedMany struct {
	// Tokens are those that matched, as they are now.
	Tokens []tokens.Token
	// Revoked counts those of them that this command ended.
	Revoked  int
	Seq      uint64
	Replayed bool
}

const (
	// maxBulk bounds how many tokens one command may match.
	maxBulk = 10_000
	// maxBatch is how many events go into the stream at once, all or none.
	maxBatch = 1000
	bulkPage = 1000
)

// RevokeMany revokes all tokens that match and are not revoked yet. Up to 1,000
// are revoked in one atomic batch; more in several, and if one of those fails the
// error says how many were revoked: repeating the command does the rest.
func (h *Handler) RevokeMany(ctx context.Context, c Caller, cmd RevokeMany) (RevokedMany, error) {
	if cmd.DryRun {
		matched, err := h.match(cmd)
		return RevokedMany{Tokens: matched, Seq: h.state.Applied()}, err
	}
	return once(ctx, h, c, "revoke-many", cmd.Tenant, cmd, func(idem events.Idempotency) (RevokedMany, error) {
		matched, err := h.match(cmd)
		if err != nil {
			return RevokedMany{}, err
		}
		return h.revokeAll(ctx, c, idem, cmd, matched, 0)
	}, func(ctx context.Context, first []tokens.Answered) (RevokedMany, error) {
		out := RevokedMany{Revoked: len(first), Seq: first[len(first)-1].Seq, Replayed: true}
		if done := uint64(len(first)); done < first[done-1].Count {
			// The node was stopped, or failed, between two batches: do the rest.
			return h.finishRevoking(ctx, c, cmd, first)
		}
		for _, e := range first {
			t, err := h.state.TokenAt(ctx, e.TokenID, e.Seq)
			if err != nil {
				return RevokedMany{}, err
			}
			out.Tokens = append(out.Tokens, t)
		}
		return out, nil
	})
}

// match lists the tokens that the command would revoke.
func (h *Handler) match(cmd RevokeMany) ([]tokens.Token, error) {
	if unfiltered(cmd.Filter) {
		return nil, invalid("filter_empty", "the filter is empty; that would revoke every token of the tenant", "name a site, owner, name, status, scope or unused_since")
	}
	if err := cmd.check(); err != nil {
		return nil, err
	}
	now := h.now()
	q := cmd.Filter
	q.Tenant, q.Limit, q.Now = cmd.Tenant, bulkPage, now
	var matched []tokens.Token
	for {
		page, err := h.state.List(q)
		if err != nil {
			return nil, Unreadable(err)
		}
		for _, r := range page.Tokens {
			// One whose end is set, but lies ahead, is ended now.
			if !r.RevokedAt.IsZero() && !r.RevokedAt.After(now) {
				continue
			}
			if slices.Contains(r.Scopes, Root) {
				return nil, conflict("root_matched", "the filter matches token "+r.ID.String()+", which holds "+Root+"; nothing was changed",
					"revoke such tokens one by one, and narrow the filter so that it leaves them out")
			}
			matched = append(matched, r.Token)
		}
		if len(matched) > maxBulk {
			return nil, invalid("filter_too_wide", fmt.Sprintf("the filter matches more than %d tokens; nothing was changed", maxBulk), "narrow the filter and revoke in parts")
		}
		if page.Next == "" {
			return matched, nil
		}
		q.Cursor = page.Next
	}
}

// finishRevoking carries on with a command of which only some batches came to be.
func (h *Handler) finishRevoking(ctx context.Context, c Caller, cmd RevokeMany, first []tokens.Answered) (RevokedMany, error) {
	matched, err := h.match(cmd)
	if err != nil {
		return RevokedMany{}, err
	}
	idem, err := fingerprint(c, "revoke-many", cmd)
	if err != nil {
		return RevokedMany{}, err
	}
	out, err := h.revokeAll(ctx, c, idem, cmd, matched, len(first))
	if err != nil {
		return RevokedMany{}, err
	}
	for _, a := range first {
		t, err := h.token(cmd.Tenant, a.TokenID)
		if err != nil {
			return RevokedMany{}, err
		}
		out.Tokens = append(out.Tokens, t)
	}
	out.Revoked += len(first)
	return out, nil
}

// revokeAll revokes what matched, after so many that the same command revoked
// before.
func (h *Handler) revokeAll(ctx context.Context, c Caller, idem events.Idempotency, cmd RevokeMany, matched []tokens.Token, before int) (RevokedMany, error) {
	now := h.now()
	if all := before + len(matched); idem.Key != "" && all > maxBatch {
		idem.Count = uint64(all)
	}
	out := RevokedMany{Tokens: matched, Seq: h.state.Applied()}
	for done := 0; done < len(matched); {
		var facts []fact
		for _, t := range matched[done:min(done+maxBatch, len(matched))] {
			d := &events.TokenRevoked{EffectiveAt: now, ReasonCode: cmd.Code, Reason: cmd.Reason}
			d.TokenID = t.ID
			facts = append(facts, fact{cmd.Tenant, d})
		}
		seq, err := h.append(ctx, c, idem, now, facts...)
		if err != nil {
			return RevokedMany{}, partly(err, done, len(matched))
		}
		done += len(facts)
		out.Seq = seq
	}
	for i := range out.Tokens {
		t, err := h.token(cmd.Tenant, out.Tokens[i].ID)
		if err != nil {
			return RevokedMany{}, Unread(err)
		}
		out.Tokens[i] = t
	}
	out.Revoked = len(matched)
	return out, nil
}

// partly says how far a command came that failed between two batches.
func partly(err error, done, all int) error {
	e, ok := errors.AsType[*Error](err)
	if done == 0 || !ok {
		return err
	}
	return &Error{
		Kind: e.Kind, Code: "partly_done",
		Detail: fmt.Sprintf("%d of %d tokens were revoked, then: %s", done, all, e.Detail),
		Hint:   "send the request again to revoke the rest, with the same Idempotency-Key if it had one",
		Cause:  e.Cause,
	}
}

func unfiltered(q tokens.Query) bool {
	return q.Site == "" && q.Owner == "" && q.Name == "" && q.Status == "" && q.Scope == "" && q.UnusedSince.IsZero() && q.ExpiresBefore.IsZero()
}
