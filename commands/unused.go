package commands

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Unused asks which active tokens nobody has used for a time.
type Unused struct {
	Tenant, Site, Owner string
	// For is that time; above zero.
	For    time.Duration
	Cursor string
	Limit  int
}

// UnusedToken is a token that nobody has used for a time.
type UnusedToken struct {
	tokens.Record
	// IdleSince is its last use; or if it was never used, when it could be first: when
	// it was generated, or its not-before.
	IdleSince time.Time
	// PolicyRevokesAt is when the policy ends it unless it is used, at the earliest;
	// zero where it does not.
	PolicyRevokesAt time.Time
}

// DaysUnused counts whole days.
func (u *UnusedToken) DaysUnused(now time.Time) int {
	return int(now.Sub(u.IdleSince) / (24 * time.Hour))
}

const (
	// minRevokeUnused is the shortest time after which the policy ends unused tokens.
	minRevokeUnused = 24 * time.Hour
	// UnusedMargin is how much longer the policy waits: a use counts when it is on the
	// stream, and until then it is in the journal of the node that saw it.
	UnusedMargin = time.Hour
)

// ParseUnusedFor reads the time of [Unused]; empty is 90 days.
func ParseUnusedFor(s string) (time.Duration, error) {
	if s == "" {
		return 90 * 24 * time.Hour, nil
	}
	d, err := parseField("for", s)
	if err == nil && d <= 0 {
		err = invalid("for_invalid", "for has to be longer than nothing", durationHint)
	}
	return d, err
}

// Unused lists the tokens of one page, and gives the cursor of the next. The cursor keeps
// the moment from which the first page has counted.
func (h *Handler) Unused(ctx context.Context, q Unused) (page []UnusedToken, next string, err error) {
	now := h.now()
	before, cursor, err := unusedCursor(q, now)
	if err != nil {
		return nil, "", err
	}
	found, err := h.state.List(tokens.Query{
		Tenant: q.Tenant, Site: q.Site, Owner: q.Owner, Status: tokens.StatusActive, UnusedSince: before,
		Now: now, Cursor: cursor, Limit: q.Limit,
	})
	if err != nil {
		return nil, "", Unreadable(err)
	}
	for _, r := range found.Tokens {
		u := UnusedToken{Record: r, IdleSince: idleSince(r)}
		if !u.IdleSince.Before(before) {
			continue
		}
		if u.PolicyRevokesAt, err = h.policyRevokes(ctx, r); err != nil {
			return nil, "", err
		}
		page = append(page, u)
	}
	if found.Next != "" {
		next = strconv.FormatInt(before.UnixMilli(), 36) + "." + found.Next
	}
	return page, next, nil
}

func unusedCursor(q Unused, now time.Time) (before time.Time, cursor string, err error) {
	if q.Cursor == "" {
		return now.Add(-q.For), "", nil
	}
	at, cursor, ok := strings.Cut(q.Cursor, ".")
	ms, err := strconv.ParseInt(at, 36, 64)
	if before = time.UnixMilli(ms).UTC(); !ok || err != nil || cursor == "" || before.After(now) {
		return before, "", invalid("cursor_invalid", "the cursor is not one that this listing gave", "start again without a cursor, with the same filters throughout")
	}
	return before, cursor, nil
}

// idleSince is the last use, or since when there could have been one.
func idleSince(r tokens.Record) time.Time {
	last := r.CreatedAt
	for _, t := range []time.Time{r.NotBefore, r.LastUsedAt} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// policyRevokes gives when the policy ends an active token, zero if it never does. A
// token that holds root stays: without one nobody could administer the ledger. One whose
// record was changed of late has somebody who cares for it: above all, what was suspended
// could not be used.
func (h *Handler) policyRevokes(ctx context.Context, r tokens.Record) (time.Time, error) {
	if h.policy.RevokeUnused == 0 || slices.Contains(r.Scopes, Root) {
		return time.Time{}, nil
	}
	last := idleSince(r)
	if r.Seq != r.CreatedSeq {
		changed, err := h.state.EventTime(ctx, r.Seq)
		if err != nil {
			return time.Time{}, err
		}
		if changed.After(last) {
			last = changed
		}
	}
	return last.Add(h.policy.RevokeUnused + UnusedMargin), nil
}

// RevokeUnused asks for the end of the tokens, of all tenants, that the policy has end
// because nobody uses them.
type RevokeUnused struct {
	// Still reports why nothing more may be revoked now; it is asked before each batch.
	Still func() error
	// Spared reports a token that is in use although no use of it comes to the record,
	// such as one that a subscriber is signed in with.
	Spared func(ulid.ULID) bool
}

// RevokeUnused revokes what the policy says, in atomic batches, and gives the number. Only
// active tokens are ended; one that is pending, suspended or holds root never is. Two
// nodes that do so at the same time record some revocations twice, which changes nothing.
func (h *Handler) RevokeUnused(ctx context.Context, c Caller, cmd RevokeUnused) (revoked int, err error) {
	if h.policy.RevokeUnused == 0 {
		return 0, nil
	}
	now := h.now()
	q := tokens.Query{AllTenants: true, Status: tokens.StatusActive, UnusedSince: now.Add(-h.policy.RevokeUnused - UnusedMargin), Now: now, Limit: maxBatch}
	for {
		if err := ctx.Err(); err != nil {
			return revoked, err
		}
		if err := cmd.Still(); err != nil {
			return revoked, err
		}
		page, err := h.state.List(q)
		if err != nil {
			return revoked, Unreadable(err)
		}
		var facts []fact
		for _, r := range page.Tokens {
			at, err := h.policyRevokes(ctx, r)
			if err != nil {
				return revoked, err
			}
			if at.IsZero() || at.After(now) || cmd.Spared(r.ID) {
				continue
			}
			d := &events.TokenRevoked{EffectiveAt: now, ReasonCode: events.ReasonUnused,
				Reason: "not used for " + showDuration(h.policy.RevokeUnused) + ", after which the policy of this ledger ends a token"}
			d.TokenID = r.ID
			facts = append(facts, fact{r.Tenant, d})
		}
		if len(facts) > 0 {
			if _, err := h.append(ctx, c, events.Idempotency{}, now, facts...); err != nil {
				return revoked, err
			}
			revoked += len(facts)
		}
		if page.Next == "" {
			return revoked, nil
		}
		q.Cursor = page.Next
	}
}
