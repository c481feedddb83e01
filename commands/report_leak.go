package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// ReportLeaks reports leaked tokens.
type ReportLeaks struct {
	// Tenant is the one whose tokens the reporter is told of; empty is all.
	Tenant string
	Leaks  []Leak
}

// Leaked is the outcome of one report.
type Leaked struct {
	// Known is false for what is no token, or none that the reporter may be told of.
	// Then nothing else is set, and nothing was recorded.
	Known bool
	// Token is the token as it is now.
	Token tokens.Token
	// Action is what this report led to, Why says why nothing was done.
	Action events.LeakAction
	Why    string
	// Recorded is false where the ledger had a report of this place already.
	Recorded bool
}

// StillGood reports a token that was left good although it is known to have leaked.
func (l *Leaked) StillGood(now time.Time) bool {
	switch l.Token.Status(now) {
	case tokens.StatusActive, tokens.StatusPending:
		return l.Known
	}
	return false
}

// ReportedLeaks is the outcome of ReportLeaks.
type ReportedLeaks struct {
	// Leaks are in the order of what was asked.
	Leaks []Leaked
	// Seq is that of the last event, or what is applied where there was nothing to
	// record.
	Seq uint64
}

// MaxLeaks bounds the reports that one call may have.
const MaxLeaks = 5000

// maxLeakBatch bounds the events of reports that go into the stream at once: they may
// have some 4 KiB each.
const maxLeakBatch = 250

// ReportLeaks records reports of leaked tokens and does to the tokens what the policy
// demands. A report and what it leads to are one atomic batch: no token is revoked as
// leaked without the report on record, and no report says "revoked" of a token that is
// not.
//
// A report of a token and a place that is on record already is not recorded again, so a
// report can be sent again for ever. It still ends a token that is good, say because the
// policy was another one. What is no token of the tenant leaves no trace.
func (h *Handler) ReportLeaks(ctx context.Context, c Caller, cmd ReportLeaks) (ReportedLeaks, error) {
	ids, err := h.leakedTokens(ctx, cmd)
	if err != nil {
		return ReportedLeaks{}, err
	}
	keys := keysOf(cmd.Leaks)
	h.leaks.Lock()
	defer h.leaks.Unlock()
	r := leakRun{h: h, c: c, now: h.now(), tokens: make(map[ulid.ULID]*tokens.Token), places: make(map[string]onRecord)}
	r.out = ReportedLeaks{Leaks: make([]Leaked, len(cmd.Leaks)), Seq: h.state.Applied()}
	for _, i := range leakOrder(ids, c.Actor.TokenID) {
		leak := cmd.Leaks[i]
		leak.clean(keys)
		if err := r.report(ctx, i, ids[i], &leak); err != nil {
			return ReportedLeaks{}, r.partly(err)
		}
	}
	if err := r.flush(ctx); err != nil {
		return ReportedLeaks{}, r.partly(err)
	}
	for i := range r.out.Leaks {
		if l := &r.out.Leaks[i]; l.Known {
			if l.Token, err = h.token(l.Token.Tenant, ids[i]); err != nil {
				return ReportedLeaks{}, Unread(err)
			}
		}
	}
	return r.out, nil
}

// leakOrder gives the reports of known tokens in their order, those of the reporter's
// own token last: once it is revoked, nothing more is recorded for it.
func leakOrder(ids []ulid.ULID, own ulid.ULID) []int {
	var order []int
	for i, id := range ids {
		if !id.IsZero() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		last := func(i int) int {
			if ids[i] == own {
				return 1
			}
			return 0
		}
		return cmp.Compare(last(a), last(b))
	})
	return order
}

// leakedTokens gives the token of each report; a zero id is one that is not known.
func (h *Handler) leakedTokens(ctx context.Context, cmd ReportLeaks) ([]ulid.ULID, error) {
	if n := len(cmd.Leaks); n == 0 || n > MaxLeaks {
		return nil, invalid("leaks_invalid", fmt.Sprintf("the request has %d reports; it takes 1 to %d", n, MaxLeaks), "send them in parts")
	}
	ids := make([]ulid.ULID, len(cmd.Leaks))
	var hashes []events.Digest // those that no index has
	for i := range cmd.Leaks {
		l := &cmd.Leaks[i]
		if l.presented() != l.SHA256.IsZero() {
			return nil, invalid("leaks_invalid", "a report has neither token nor sha256, or both", "give the token that was found, or the SHA-256 over it")
		}
		id, known, err := h.leakedToken(l, cmd.Tenant)
		if err != nil {
			return nil, Unreadable(err)
		}
		if known {
			ids[i] = id
		} else if !l.presented() {
			hashes = append(hashes, l.SHA256)
		}
	}
	if len(hashes) == 0 {
		return ids, nil
	}
	found, err := h.byHashes(ctx, cmd.Tenant, hashes)
	if err != nil {
		return nil, err
	}
	for i := range cmd.Leaks {
		if id, ok := found[cmd.Leaks[i].SHA256]; ok && ids[i].IsZero() && !cmd.Leaks[i].presented() {
			ids[i] = id
		}
	}
	return ids, nil
}

// leakedToken finds the token of a report by its id, or among the imported keys.
func (h *Handler) leakedToken(l *Leak, tenant string) (id ulid.ULID, known bool, err error) {
	hash := l.hash()
	fits := func(id ulid.ULID) (bool, error) {
		t, known, err := h.state.Credential(id)
		return known && t.Hash == hash && (tenant == "" || tenant == t.Tenant), err
	}
	if l.presented() {
		if id, err := secret.Parse(l.Token); err == nil {
			if known, err = fits(id); known || err != nil {
				return id, known, err
			}
		}
		if len(l.Token.Reveal()) > maxImportedKey {
			return id, false, nil
		}
	}
	// An imported key may have any format, that of another ledger too.
	id, known, err = h.state.ByHash(hash)
	if err == nil && known {
		known, err = fits(id)
	}
	return id, known, err
}

// byHashes looks for hashes among all tokens. One look goes on at a time, since each
// reads every record.
func (h *Handler) byHashes(ctx context.Context, tenant string, hashes []events.Digest) (map[events.Digest]ulid.ULID, error) {
	select {
	case h.hashing <- struct{}{}:
		defer func() { <-h.hashing }()
	case <-ctx.Done():
		return nil, lookBrokenOff(context.Cause(ctx))
	}
	found, err := h.state.ByHashes(ctx, tenant, hashes)
	if err != nil && ctx.Err() != nil {
		return nil, lookBrokenOff(err)
	}
	return found, Unreadable(err)
}

func lookBrokenOff(err error) error {
	return &Error{Kind: Unavailable, Code: "leaks_busy", Detail: "the look for the hash was broken off; nothing was recorded",
		Hint: "send the report again, or report the token itself, which is found at once", Cause: err}
}

// leakRun is one call of ReportLeaks on its way.
type leakRun struct {
	h   *Handler
	c   Caller
	now time.Time
	out ReportedLeaks

	// What was decided so far, of which a part waits in batch.
	tokens map[ulid.ULID]*tokens.Token
	places map[string]onRecord
	batch  []events.Event
	// done says that something was recorded before.
	done bool
}

// report decides about one report. Of a token that holds ledger:root it is recorded
// before the next one is looked at: two of them must not end together as each other's
// substitutes.
func (r *leakRun) report(ctx context.Context, i int, id ulid.ULID, l *Leak) error {
	t, err := r.token(id)
	if err != nil {
		return err
	}
	otherRoot := true
	root := t.HasScope(Root)
	if root {
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.h.roots.Lock()
		defer r.h.roots.Unlock()
		delete(r.tokens, id) // it may have changed before the lock was held
		if t, err = r.token(id); err != nil {
			return err
		}
		if otherRoot, err = r.h.state.OtherRoot(id, r.now); err != nil {
			return Unreadable(err)
		}
	}
	was, place, err := r.record(t, l)
	if err != nil {
		return err
	}
	d := decideLeak(cmp.Or(r.h.policy.Leaked, RevokeLeaked), r.c, t, l, was, otherRoot, r.now)
	idem := events.Idempotency{Key: place, Request: leakRequest(d.action)}
	for _, data := range d.facts {
		r.batch = append(r.batch, newEvent(r.h.source, r.c, idem, r.now, fact{t.Tenant, data}))
	}
	r.places[place] = onRecord{reported: true, suspended: was.suspended || d.action == events.LeakSuspended}
	switch d.action {
	case events.LeakRevoked:
		t.RevokedAt = r.now
	case events.LeakSuspended:
		t.Suspended = true
	}
	r.out.Leaks[i] = Leaked{Known: true, Token: *t, Action: d.action, Why: d.why, Recorded: !was.reported}
	if root || len(r.batch) >= maxLeakBatch {
		return r.flush(ctx)
	}
	return nil
}

// token gives a token as what was decided so far will leave it.
func (r *leakRun) token(id ulid.ULID) (*tokens.Token, error) {
	if t, ok := r.tokens[id]; ok {
		return t, nil
	}
	t, ok, err := r.h.state.Token(id)
	if err != nil {
		return nil, Unreadable(err)
	}
	if !ok {
		return nil, NoSuchToken(id.String())
	}
	r.tokens[id] = &t
	return &t, nil
}

// record gives what is on record of a report's place.
func (r *leakRun) record(t *tokens.Token, l *Leak) (was onRecord, place string, err error) {
	place = l.place(t)
	if was, ok := r.places[place]; ok {
		return was, place, nil
	}
	answered, err := r.h.state.Answered(t.Tenant, place, maxAnswered)
	return recordOf(answered), place, Unreadable(err)
}

// flush makes what was decided durable.
func (r *leakRun) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	seq, err := r.h.appendAll(ctx, r.c, r.batch)
	if err != nil {
		return err
	}
	r.out.Seq, r.batch, r.done = seq, nil, true
	r.now = r.h.now() // what is revoked next ends when it is recorded, not before
	return nil
}

// partly says that some reports were recorded before an error.
func (r *leakRun) partly(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !r.done || !ok {
		return err
	}
	return &Error{Kind: e.Kind, Code: "partly_done", Detail: "some of the reports were recorded, then: " + e.Detail,
		Hint: "send the request again: what is on record is not recorded twice", Cause: e.Cause}
}
