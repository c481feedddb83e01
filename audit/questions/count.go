package questions

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Count gives how many tokens [Asker.AsOf] would give, on all its pages; q's Cursor and
// Limit mean nothing. It looks at every token of the tenant, or of the site, on two
// cores: see BenchmarkAsk. It believes the read model, of tokens that were not changed
// after the moment, or not before. The others are read from the log.
func (a *Asker) Count(ctx context.Context, q AsOfQuery) (AsOfCount, error) {
	q.Cursor = ""
	m, _, err := a.begin(ctx, &q)
	if err != nil {
		return AsOfCount{}, err
	}
	j := judge{AsOfQuery: q, moment: m}
	first, last, some, err := a.Tokens.Bounds(j.region())
	if err != nil {
		return AsOfCount{}, err
	}
	count := AsOfCount{Seq: m.seq, Time: m.clock, ByStatus: map[tokens.Status]uint64{}}
	if !some {
		return count, nil
	}
	work := newSpans(span{first, last})
	var mu sync.Mutex
	var failed error
	var workers sync.WaitGroup
	for range min(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			w := counter{a: a, j: &j, work: work, found: map[tokens.Status]uint64{}}
			err := w.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			for status, n := range w.found {
				count.ByStatus[status] += n
				count.Tokens += n
			}
		})
	}
	workers.Wait()
	if failed == nil {
		failed = a.stillReadModel(m.seq)
	}
	if failed != nil {
		return AsOfCount{}, failed
	}
	return count, nil
}

// counter counts in spans of ids.
type counter struct {
	a     *Asker
	j     *judge
	work  *spans
	d     events.Decoder
	found map[tokens.Status]uint64
}

func (c *counter) run(ctx context.Context) error {
	for {
		s, ok := c.work.take()
		if !ok {
			return nil
		}
		err := c.count(ctx, s)
		c.work.done()
		if err != nil {
			c.work.stop()
			return err
		}
	}
}

// count counts in a span, of which it gives away a part when others have nothing to do.
func (c *counter) count(ctx context.Context, s span) error {
	region := c.j.region()
	region.From, region.To = s.from, s.to
	rows := 0
	return c.a.Tokens.Walk(region, func(g *tokens.Glance) (bool, error) {
		if beyond(g.ID, s.to) {
			return false, nil
		}
		if rows++; rows%1024 == 0 {
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			s.to = c.work.share(span{g.ID, s.to})
		}
		is, sure := c.j.glance(g)
		switch {
		case sure && is:
			c.found[g.Status(c.j.clock)]++
		case !sure:
			p, err := c.a.fold(ctx, &c.d, g.ID, c.j.seq)
			if err != nil {
				return false, err
			}
			if t, was := p.at(c.j.moment); was && c.j.has(&t) {
				c.found[t.Status]++
			}
		}
		return true, nil
	})
}

// span is the ids from one to another, both included.
type span struct{ from, to ulid.ULID }

// spans is what is left to do, for several workers.
type spans struct {
	mu      sync.Mutex
	changed sync.Cond
	left    []span
	busy    int // workers with a span
	idle    int // workers that wait for one
	stopped bool
}

func newSpans(all ...span) *spans {
	s := &spans{left: all}
	s.changed.L = &s.mu
	return s
}

// take gives a span to work on, and false when all is done.
func (s *spans) take() (span, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.left) == 0 && s.busy > 0 && !s.stopped {
		s.idle++
		s.changed.Wait()
		s.idle--
	}
	if len(s.left) == 0 || s.stopped {
		return span{}, false
	}
	one := s.left[len(s.left)-1]
	s.left = s.left[:len(s.left)-1]
	s.busy++
	return one, true
}

// done says that a span was worked on to its end.
func (s *spans) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.changed.Broadcast()
}

func (s *spans) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}

// share gives away the later half of what is left of a span, if somebody waits, and
// gives where what is kept ends. Tokens are spread unevenly over their ids: whoever was
// given few of them soon waits again.
func (s *spans) share(of span) (to ulid.ULID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, end := binary.BigEndian.Uint64(of.from[:8]), binary.BigEndian.Uint64(of.to[:8])
	if s.idle <= len(s.left) || end-from < 2 {
		return of.to
	}
	var middle ulid.ULID
	binary.BigEndian.PutUint64(middle[:], from+(end-from)/2)
	for i := 8; i < len(middle); i++ {
		middle[i] = 0xff
	}
	s.left = append(s.left, span{next(middle), of.to})
	s.changed.Signal()
	return middle
}
