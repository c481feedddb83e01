package questions

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// AsOf gives the tokens that there were at a moment, and that had the status and the
// labels asked for.
func (a *Asker) AsOf(ctx context.Context, q AsOfQuery) (AsOf, error) {
	limit, err := limitOf(q.Limit)
	if err != nil {
		return AsOf{}, err
	}
	m, after, err := a.begin(ctx, &q)
	if err != nil {
		return AsOf{}, err
	}
	page := AsOf{Seq: m.seq, Time: m.clock}
	j := judge{AsOfQuery: q, moment: m}
	region := j.region()
	region.From = next(after)
	var d events.Decoder
	rows, folds := 0, 0
	err = a.Tokens.Walk(region, func(g *tokens.Glance) (bool, error) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		is, sure := j.glance(g)
		none := sure && !is
		if rows == a.bounds.rows || !none && (len(page.Tokens) == limit || folds == a.bounds.folds) {
			page.Next = j.question().cursor(append(appendMoment(nil, m.seq, m.clock), after[:]...))
			return false, nil
		}
		rows++
		after = g.ID
		if none {
			return true, nil
		}
		folds++
		p, err := a.fold(ctx, &d, g.ID, m.seq)
		if err != nil {
			return false, err
		}
		if t, was := p.at(m); was && j.has(&t) {
			page.Tokens = append(page.Tokens, t)
		}
		return true, nil
	})
	if err == nil {
		err = a.stillReadModel(m.seq)
	}
	if err != nil {
		return AsOf{}, err
	}
	return page, nil
}

// begin checks a question and finds its moment, and the token behind which to go on.
func (a *Asker) begin(ctx context.Context, q *AsOfQuery) (m moment, after ulid.ULID, err error) {
	if err := q.Scope.check(); err != nil {
		return m, after, err
	}
	if q.Status != "" && !slices.Contains(tokens.Statuses(), q.Status) {
		return m, after, &QueryError{"status", fmt.Sprintf("is %q: choose one of %v", q.Status, tokens.Statuses())}
	}
	var position []byte
	if q.Cursor != "" {
		if position, err = q.question().position(q.Cursor, momentSize+len(after)); err != nil {
			return m, after, err
		}
	}
	end, err := a.settle(ctx)
	if err != nil {
		return m, after, err
	}
	if position == nil {
		m, err = a.at(ctx, q.At, "at", end)
	} else {
		m = parseMoment(position)
		copy(after[:], position[momentSize:])
		if m.seq > end {
			err = &CursorError{"is of a moment that the log has not come to"}
		}
	}
	if err == nil {
		err = a.readModel(ctx, m.seq)
	}
	return m, after, err
}

func (q *AsOfQuery) question() question {
	id := newQuestion("as of")
	id.scope(q.Scope)
	id.moment(q.At)
	for _, s := range []string{q.Site, q.Owner, q.TokenScope, string(q.Status)} {
		id.string(s)
	}
	return id
}

// judge tells which tokens are asked for.
type judge struct {
	AsOfQuery
	moment
}

// region is where the tokens are. A token's site never changes; its owner does, so the
// index of today's owners is of no help.
func (j *judge) region() tokens.Region {
	if j.AllTenants {
		return tokens.Region{AllTenants: true, Then: j.seq}
	}
	return tokens.Region{Tenant: j.Tenant, Site: j.Site, Then: j.seq}
}

// glance judges a token by its record of today, which is enough (sure) where the record
// was not changed since, or not before, or has something that never changes and decides.
// Where it is, and is is true, g has the status of the moment.
func (j *judge) glance(g *tokens.Glance) (is, sure bool) {
	switch {
	case g.CreatedSeq > j.seq,
		j.Site != "" && g.Site != j.Site,
		j.TokenScope != "" && !g.HasScope(j.TokenScope):
		return false, true
	case g.Seq <= j.seq:
		return (j.Owner == "" || g.Owner == j.Owner) && (j.Status == "" || g.Status(j.clock) == j.Status), true
	case g.AsGenerated && j.Owner == "":
		g.RevokedAt, g.Suspended = time.Time{}, false
		return j.Status == "" || g.Status(j.clock) == j.Status, true
	case j.Status == "" || j.Status == tokens.StatusRevoked:
		return false, false
	}
	// What it was if it was neither revoked nor suspended never changes. It can have been
	// revoked instead, or suspended instead of active, and nothing else.
	fixed := tokens.Glance{ExpiresAt: g.ExpiresAt, NotBefore: g.NotBefore}
	switch fixed.Status(j.clock) {
	case j.Status:
		return false, false
	case tokens.StatusActive:
		return false, j.Status != tokens.StatusSuspended
	}
	return false, true
}

// has judges a token that was read from the log.
func (j *judge) has(t *AsOfToken) bool {
	return j.Scope.has(t.Tenant) && (j.Site == "" || t.Site == j.Site) && (j.Owner == "" || t.Owner == j.Owner) &&
		(j.TokenScope == "" || t.HasScope(j.TokenScope)) && (j.Status == "" || t.Status == j.Status)
}

// next is the id behind one; zero behind none.
func next(id ulid.ULID) ulid.ULID {
	if id.IsZero() {
		return id
	}
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

func beyond(a, b ulid.ULID) bool { return bytes.Compare(a[:], b[:]) > 0 }
