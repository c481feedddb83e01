package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	// Matched counts the tokens that the filter chose, Revoked those of them that
	// this command ended.
	Matched, Revoked int
	// Tokens are the first [MaxBulkShown] that matched, as they are now.
	Tokens   []tokens.Token
	Seq      uint64
	Replayed bool
}

const (
	// MaxBulkShown bounds the tokens in the outcome of a bulk revocation.
	MaxBulkShown = 1000
	// maxBatch is how many events go into the stream at once, all or none.
	maxBatch = 1000
	bulkPage = 1000
)

// RevokeMany revokes all tokens that match and are not revoked yet, however many there
// are, in memory that does not grow with them. It looks at all of them before it ends
// the first, and refuses as a whole a filter that matches a token of root. Up to 1,000
// are revoked in one atomic batch; more in several, and if one of those fails the
// error says how many were revoked: repeating the command does the rest.
//
// A caller that goes away does not stop it: whoever ends leaked tokens wants them ended.
func (h *Handler) RevokeMany(ctx context.Context, c Caller, cmd RevokeMany) (RevokedMany, error) {
	if cmd.DryRun {
		out, err := h.count(cmd)
		out.Seq = h.state.Applied()
		return out, err
	}
	return once(ctx, h, c, "revoke-many", cmd.Tenant, cmd, func(idem events.Idempotency) (RevokedMany, error) {
		return h.revokeAll(ctx, c, idem, cmd, 0)
	}, func(ctx context.Context, first []tokens.Answered) (RevokedMany, error) {
		return h.repeatRevoking(ctx, c, cmd, first)
	})
}

// repeatRevoking answers a command that was carried out before, at least in part.
func (h *Handler) repeatRevoking(ctx context.Context, c Caller, cmd RevokeMany, first []tokens.Answered) (RevokedMany, error) {
	idem, err := fingerprint(c, "revoke-many", cmd)
	if err != nil {
		return RevokedMany{}, err
	}
	done, last, err := h.state.AnsweredTotal(cmd.Tenant, idem.Key)
	if err != nil {
		return RevokedMany{}, Unreadable(err)
	}
	out := RevokedMany{Seq: last, Replayed: true}
	if uint64(done) < first[0].Count {
		// The node was stopped, or failed, between two batches: do the rest.
		if out, err = h.revokeAll(ctx, c, idem, cmd, done); err != nil {
			return RevokedMany{}, err
		}
	}
	out.Matched, out.Revoked = out.Matched+done, out.Revoked+done
	for _, e := range first {
		if len(out.Tokens) == MaxBulkShown {
			break
		}
		t, err := h.state.TokenAt(ctx, e.TokenID, e.Seq)
		if err != nil {
			return RevokedMany{}, err
		}
		out.Tokens = append(out.Tokens, t)
	}
	return out, nil
}

// match gives use the tokens that the command would revoke, a page at a time.
func (h *Handler) match(cmd RevokeMany, now time.Time, use func([]tokens.Token) error) error {
	q := cmd.Filter
	q.Tenant, q.Limit, q.Now = cmd.Tenant, bulkPage, now
	for {
		page, err := h.state.List(q)
		if err != nil {
			return Unreadable(err)
		}
		var matched []tokens.Token
		for _, r := range page.Tokens {
			// One whose end is set, but lies ahead, is ended now.
			if !r.RevokedAt.IsZero() && !r.RevokedAt.After(now) {
				continue
			}
			if slices.Contains(r.Scopes, Root) {
				return conflict("root_matched", "the filter matches token "+r.ID.String()+", which holds "+Root+"; nothing was changed",
					"revoke such tokens one by one, and narrow the filter so that it leaves them out")
			}
			matched = append(matched, r.Token)
		}
		if len(matched) > 0 {
			if err := use(matched); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

// count says what the command would revoke.
func (h *Handler) count(cmd RevokeMany) (out RevokedMany, err error) {
	if unfiltered(cmd.Filter) {
		return out, invalid("filter_empty", "the filter is empty; that would revoke every token of the tenant", "name a site, owner, name, status, scope, unused_since or expires_before")
	}
	if err := cmd.check(); err != nil {
		return out, err
	}
	err = h.match(cmd, h.now(), func(matched []tokens.Token) error {
		out.Matched += len(matched)
		out.Tokens = append(out.Tokens, matched[:min(len(matched), MaxBulkShown-len(out.Tokens))]...)
		return nil
	})
	if err != nil {
		return RevokedMany{}, err
	}
	return out, nil
}

// revokeAll revokes what matches, after so many that the same command revoked before.
func (h *Handler) revokeAll(ctx context.Context, c Caller, idem events.Idempotency, cmd RevokeMany, before int) (RevokedMany, error) {
	would, err := h.count(cmd)
	if err != nil {
		return RevokedMany{}, err
	}
	out := RevokedMany{Seq: h.state.Applied()}
	if all := before + would.Matched; idem.Key != "" && all > maxBatch {
		idem.Count = uint64(all)
	}
	now := h.now()
	var batch []tokens.Token
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		facts := make([]fact, len(batch))
		for i, t := range batch {
			d := &events.TokenRevoked{EffectiveAt: now, ReasonCode: cmd.Code, Reason: cmd.Reason}
			d.TokenID = t.ID
			facts[i] = fact{cmd.Tenant, d}
		}
		seq, err := h.append(ctx, c, idem, now, facts...)
		if err != nil {
			return err
		}
		for _, t := range batch[:min(len(batch), MaxBulkShown-len(out.Tokens))] {
			if t, err = h.token(cmd.Tenant, t.ID); err != nil {
				return Unread(err)
			}
			out.Tokens = append(out.Tokens, t)
		}
		out.Revoked, out.Seq, batch = out.Revoked+len(batch), seq, batch[:0]
		return nil
	}
	err = h.match(cmd, now, func(matched []tokens.Token) error {
		for _, t := range matched {
			if batch = append(batch, t); len(batch) == maxBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return RevokedMany{}, partly(err, out.Revoked, max(would.Matched, out.Revoked))
	}
	out.Matched = out.Revoked
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
