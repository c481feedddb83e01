package questions

import (
	"context"
	"encoding/binary"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

const (
	// maxChanges bounds the events of one token that are given in a change or a story.
	maxChanges = 1000
	// pageEvents is how many events a page of a diff has, at the most, before its last
	// change.
	pageEvents = 5000
)

// Diff gives what became of tokens between two moments.
func (a *Asker) Diff(ctx context.Context, q DiffQuery) (Diff, error) {
	limit, err := limitOf(q.Limit)
	if err == nil {
		err = q.Scope.check()
	}
	if err != nil {
		return Diff{}, err
	}
	d := differ{a: a, q: q, limit: limit, first: map[ulid.ULID]uint64{}}
	if err := d.begin(ctx); err != nil {
		return Diff{}, err
	}
	page := Diff{From: d.from.public(), To: d.to.public()}
	if d.from.seq == d.to.seq {
		return page, nil
	}
	// What happened is looked for from the event on that the last page ended in.
	scanned := index.Query{Tenant: q.Tenant, AllTenants: q.AllTenants, Kinds: changeKinds(), To: d.to.seq}
	reached, done, err := a.scan(ctx, scanned, max(d.from.seq, d.start.seq-1), limit+1, func(r events.Recorded) (bool, error) {
		return d.event(ctx, &page, r)
	})
	if err != nil {
		return Diff{}, err
	}
	if err := a.stillReadModel(d.to.seq); err != nil {
		return Diff{}, err
	}
	switch {
	case d.stop != place{}:
		page.Next = d.cursor(d.stop)
	case !done:
		page.Next = d.cursor(place{seq: reached + 1})
	}
	return page, nil
}

// place is a token in an event that changes several.
type place struct {
	seq uint64
	n   byte
}

// differ works on one page.
type differ struct {
	a        *Asker
	q        DiffQuery
	limit    int
	from, to moment
	start    place // where the page begins
	stop     place // where the next one does
	// first is the event in which a token first changes, for those looked at.
	first   map[ulid.ULID]uint64
	events  int // on the page
	decoder events.Decoder
}

// begin finds the moments and where the page begins.
func (d *differ) begin(ctx context.Context) error {
	a, q := d.a, &d.q
	if !q.From.Time.IsZero() && !q.To.Time.IsZero() && q.From.Seq == 0 && q.To.Seq == 0 && q.To.Time.Before(q.From.Time) {
		return &QueryError{"to", "lies before from"}
	}
	var position []byte
	var err error
	if q.Cursor != "" {
		if position, err = d.question().position(q.Cursor, 2*momentSize+9); err != nil {
			return err
		}
	}
	end, err := a.settle(ctx)
	if err != nil {
		return err
	}
	if position != nil {
		d.from, d.to = parseMoment(position), parseMoment(position[momentSize:])
		position = position[2*momentSize:]
		d.start = place{binary.BigEndian.Uint64(position), position[8]}
		if d.to.seq > end || d.from.seq > d.to.seq || d.start.seq <= d.from.seq {
			return &CursorError{"is of a moment that the log has not come to"}
		}
	} else {
		if d.from, err = a.at(ctx, q.From, "from", end); err != nil {
			return err
		}
		if d.to, err = a.at(ctx, q.To, "to", end); err != nil {
			return err
		}
		if d.to.seq < d.from.seq {
			return &QueryError{"to", "lies before from"}
		}
		d.start = place{seq: d.from.seq + 1}
	}
	return a.readModel(ctx, d.to.seq)
}

func (d *differ) question() question {
	id := newQuestion("diff")
	id.scope(d.q.Scope)
	id.moment(d.q.From)
	id.moment(d.q.To)
	return id
}

func (d *differ) cursor(p place) string {
	b := appendMoment(appendMoment(nil, d.from.seq, d.from.clock), d.to.seq, d.to.clock)
	return d.question().cursor(append(binary.BigEndian.AppendUint64(b, p.seq), p.n))
}

// event adds to the page the tokens that change first in this event, and reports whether
// to go on.
func (d *differ) event(ctx context.Context, page *Diff, r events.Recorded) (bool, error) {
	ids, n := changed(&r)
	for i, id := range ids[:n] {
		at := place{r.Seq, byte(i)}
		if at.seq == d.start.seq && at.n < d.start.n {
			continue // on the page before
		}
		if known, ok := d.first[id]; ok && known != r.Seq {
			continue
		}
		if len(page.Changes) == d.limit || d.events >= pageEvents || len(d.first) >= d.a.bounds.folds {
			d.stop = at
			return false, nil
		}
		c, first, err := d.change(ctx, id)
		if err != nil {
			return false, err
		}
		d.first[id] = first
		if first == r.Seq && d.q.has(c.After.Tenant) {
			page.Changes = append(page.Changes, c)
			d.events += len(c.Events)
		}
	}
	return true, nil
}

// change gives what became of a token, and the first event that bears on it.
func (d *differ) change(ctx context.Context, id ulid.ULID) (c Change, first uint64, err error) {
	p := past{Token: tokens.Token{ID: id}}
	var before AsOfToken
	was, begun := false, false
	err = d.a.history(ctx, &d.decoder, id, d.to.seq, func(r events.Recorded) error {
		if r.Seq > d.from.seq {
			if !begun {
				before, was = p.at(d.from)
				begun = true
			}
			if ids, n := changed(&r); d.q.has(r.Event.Tenant) && (n > 0 && ids[0] == id || n > 1 && ids[1] == id) {
				if first == 0 {
					first = r.Seq
				}
				if len(c.Events) < maxChanges {
					c.Events = append(c.Events, r)
				} else {
					c.MoreEvents = true
				}
			}
		}
		p.take(r)
		return nil
	})
	if was {
		c.Before = &before
	}
	var is bool
	if c.After, is = p.at(d.to); !is {
		return Change{}, 0, err // what is said of it made no token
	}
	return c, first, err
}
