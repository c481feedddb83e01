package questions

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/tokenledger/tokenledger/audit/index"
)

// skew is how far the clock of a node, by which uses are dated, may be ahead of that of
// the broker, by which they are found. A use after the end that arrived still earlier can
// be among those that are not read.
const skew = time.Minute

// uses finds which of the events that q asks for are read for a story: all if they are
// few, and otherwise the oldest, the newest, and the first after the token's end (zero
// for none). The index is walked along from the first to the last, which takes a row for
// each block of the log; reading the events is what takes long.
func (a *Asker) uses(ctx context.Context, q index.Query, end time.Time) (*picked, error) {
	p, err := a.pick(ctx, q, math.MaxUint64)
	if err != nil || p.left[0].Events == 0 || end.IsZero() {
		return p, err
	}
	after, err := a.Index.LastBefore(ctx, end.Add(-skew), q.To)
	if err != nil {
		return nil, err
	}
	return a.pick(ctx, q, after)
}

func (a *Asker) pick(ctx context.Context, q index.Query, end uint64) (*picked, error) {
	p := &picked{each: a.bounds.uses, end: end}
	for at := (index.Progress{}); !at.Done; {
		var err error
		at, err = a.Index.Find(ctx, q, at.Seq, func(seq uint64) bool {
			p.add(seq)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// picked is which events are read, of ascending ones: the first, the first behind the
// token's end, and the last, each of them as many.
type picked struct {
	each int
	end  uint64 // the token ended behind this sequence

	first, ended []uint64
	last         []uint64 // a ring, once it is full
	oldest       int      // of the ring
	// left are what is left out up to the end, and behind it.
	left [2]Unread
}

func (p *picked) add(seq uint64) {
	switch {
	case len(p.first) < p.each:
		p.first = append(p.first, seq)
	case seq > p.end && len(p.ended) < p.each:
		p.ended = append(p.ended, seq)
	case len(p.last) < p.each:
		p.last = append(p.last, seq)
	default:
		seq, p.last[p.oldest] = p.last[p.oldest], seq
		p.oldest = (p.oldest + 1) % p.each
		p.left[b2i(seq > p.end)].take(seq)
	}
}

func (u *Unread) take(seq uint64) {
	if u.Events == 0 {
		u.From = seq
	}
	u.To = seq
	u.Events++
}

// sequences gives what is to be read, in order.
func (p *picked) sequences() []uint64 {
	all := slices.Concat(p.first, p.ended, p.last)
	slices.Sort(all) // the last ones can lie before the end
	return all
}

// unread gives what is left out, in order.
func (p *picked) unread() (all []Unread) {
	for _, u := range p.left {
		if u.Events > 0 {
			all = append(all, u)
		}
	}
	return all
}
