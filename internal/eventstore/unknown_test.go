package eventstore

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// newProxiedStore gives a store that reaches its server through a proxy, and one
// that reaches it directly, to see what is stored.
func newProxiedStore(t *testing.T, cfg Config) (s, direct *Store, p *proxy) {
	t.Helper()
	addr := startTCP(t)
	p = startProxy(t, addr)
	direct = openStore(t, Config{Conn: dial(t, addr)})
	if err := direct.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Conn = p.connect(t)
	s = openStore(t, cfg)
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, direct, p
}

func last(t *testing.T, s *Store) uint64 {
	t.Helper()
	st, err := s.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Last
}

type appended struct {
	last uint64
	err  error
}

func appendLater(t *testing.T, s *Store, evs ...events.Event) <-chan appended {
	done := make(chan appended, 1)
	go func() {
		seq, err := s.Append(t.Context(), evs...)
		done <- appended{seq, err}
	}()
	return done
}

func wantStored(t *testing.T, s *Store, got appended, evs []events.Event) {
	t.Helper()
	if got.err != nil {
		t.Fatal(got.err)
	}
	all := collect(t, s, 0, int(last(t, s)))
	var seqs []uint64
	for _, r := range all {
		for _, e := range evs {
			if r.Event.ID == e.ID {
				seqs = append(seqs, r.Seq)
			}
		}
	}
	var want []uint64
	for i := range evs {
		want = append(want, got.last-uint64(len(evs))+1+uint64(i))
	}
	if !slices.Equal(seqs, want) {
		t.Errorf("the events are at %v; their caller was told %v", seqs, want)
	}
}

func TestAnAcknowledgementThatIsLostWithTheConnectionIsResolved(t *testing.T) {
	for _, n := range []int{1, 3} {
		s, direct, p := newProxiedStore(t, Config{})
		if _, err := s.Append(t.Context(), newEvents(2)...); err != nil {
			t.Fatal(err)
		}
		evs := newEvents(n)
		p.set(true, false)
		if n > 1 {
			// A batch is committed when its first message is acknowledged.
			p.set(true, true)
			s.commits.replicated.Store(true) // send it whole
			p.set(true, false)
		}
		done := appendLater(t, s, evs...)
		eventually(t, "the events are stored", func() bool { return last(t, direct) == uint64(2+n) })
		// Others write meanwhile.
		if _, err := direct.Append(t.Context(), newEvent(1)); err != nil {
			t.Fatal(err)
		}
		p.cut()
		p.set(true, true)
		wantStored(t, direct, <-done, evs)
		if l := last(t, direct); l != uint64(2+n+1) {
			t.Errorf("the stream ends at %d, want %d", l, 2+n+1)
		}
	}
}

func TestAPublicationThatIsLostIsRepeated(t *testing.T) {
	for _, n := range []int{1, 3} {
		s, direct, p := newProxiedStore(t, Config{})
		evs := newEvents(n)
		p.set(false, true)
		done := appendLater(t, s, evs...)
		eventually(t, "the publication is lost", func() bool { return p.lostBytes(evs[0].ID.String()) })
		p.cut()
		p.set(true, true)
		wantStored(t, direct, <-done, evs)
		if l := last(t, direct); l != uint64(n) {
			t.Errorf("the stream ends at %d, want %d", l, n)
		}
	}
}

func TestAnAnswerThatComesTooLateIsResolved(t *testing.T) {
	s, direct, p := newProxiedStore(t, Config{AckWait: 100 * time.Millisecond})
	e := newEvent(1)
	p.set(true, false)
	done := appendLater(t, s, e)
	eventually(t, "the event is stored", func() bool { return last(t, direct) == 1 })
	eventually(t, "the store no longer waits for an answer", func() bool {
		s.commits.mu.Lock()
		defer s.commits.mu.Unlock()
		return len(s.commits.flights) == 0
	})
	p.set(true, true)
	wantStored(t, direct, <-done, []events.Event{e})
	if l := last(t, direct); l != 1 {
		t.Errorf("the stream ends at %d, want 1", l)
	}
}

func TestFirstEventsWhoseAcknowledgementIsLostAreOnesOwn(t *testing.T) {
	for _, n := range []int{1, 2} {
		s, direct, p := newProxiedStore(t, Config{})
		evs := newEvents(n)
		p.set(true, false)
		done := make(chan error, 1)
		go func() { done <- s.AppendFirst(t.Context(), evs...) }()
		eventually(t, "the events are stored", func() bool { return last(t, direct) == uint64(n) })
		p.cut()
		p.set(true, true)
		if err := <-done; err != nil {
			t.Errorf("%d events: %v", n, err)
		}
		if err := s.AppendFirst(t.Context(), newEvents(n)...); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("others, after that: %v, want ErrNotEmpty", err)
		}
	}
}

func TestAnOutcomeThatCannotBeFoundIsUnknown(t *testing.T) {
	s, direct, p := newProxiedStore(t, Config{AckWait: 50 * time.Millisecond, ResolveWait: 200 * time.Millisecond})
	e := newEvent(1)
	p.set(true, false)
	got := <-appendLater(t, s, e)
	var unknown *UnknownOutcomeError
	if !errors.Is(got.err, ErrUnknownOutcome) || !errors.As(got.err, &unknown) || !slices.Equal(unknown.IDs, []ulid.ULID{e.ID}) {
		t.Fatalf("the error is %v, want an unknown outcome of %s", got.err, e.ID)
	}
	eventually(t, "the event is stored", func() bool { return last(t, direct) == 1 })
	p.cut()
	p.set(true, true)
	eventually(t, "the store is connected again", s.nc.IsConnected)
	// To do it again is safe.
	wantStored(t, direct, <-appendLater(t, s, e), []events.Event{e})
	if l := last(t, direct); l != 1 {
		t.Errorf("the stream ends at %d, want 1", l)
	}
}

func TestACallerThatLeavesEarlyIsToldThatItIsUnknown(t *testing.T) {
	s, direct, p := newProxiedStore(t, Config{})
	p.set(true, false)
	ctx, cancel := contextWithin(t, 100*time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, newEvent(1)); !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("the error is %v, want ErrUnknownOutcome", err)
	}
	eventually(t, "the event is stored", func() bool { return last(t, direct) == 1 })
}

func TestEventsAreStoredOnceHoweverOftenTheConnectionBreaks(t *testing.T) {
	t.Parallel() // it waits for answers that were lost, most of the time
	s, direct, p := newProxiedStore(t, Config{AckWait: time.Second})
	const callers, rounds = 40, 25
	type call struct {
		ids  []ulid.ULID
		last uint64
	}
	var (
		mu     sync.Mutex
		stored []call
		crowd  sync.WaitGroup
	)
	stop := make(chan struct{})
	var breaker sync.WaitGroup
	breaker.Go(func() {
		for at := uint64(20); ; at += 20 + rand.Uint64N(60) {
			for last(t, direct) < at {
				select {
				case <-stop:
					return
				default:
				}
			}
			// Lose answers, or publications, or both.
			p.set(rand.IntN(2) == 0, rand.IntN(2) == 0)
			p.cut()
			p.set(true, true)
		}
	})
	for caller := range callers {
		crowd.Go(func() {
			for round := 0; round < rounds; {
				n := 1
				if caller%3 == 0 {
					n = 2
				}
				evs := newEvents(n)
				end, err := s.Append(t.Context(), evs...)
				switch {
				case errors.Is(err, ErrUnavailable):
					// Nothing was stored; not being connected is no fault here.
					eventually(t, "the store is connected again", s.nc.IsConnected)
					continue
				case err != nil:
					t.Error(err)
					return
				}
				c := call{last: end}
				for _, e := range evs {
					c.ids = append(c.ids, e.ID)
				}
				mu.Lock()
				stored = append(stored, c)
				mu.Unlock()
				round++
			}
		})
	}
	crowd.Wait()
	close(stop)
	breaker.Wait()

	at := make(map[ulid.ULID][]uint64)
	total := 0
	for _, r := range collect(t, direct, 0, int(last(t, direct))) {
		at[r.Event.ID] = append(at[r.Event.ID], r.Seq)
		total++
	}
	for _, c := range stored {
		for i, id := range c.ids {
			if want := c.last - uint64(len(c.ids)) + 1 + uint64(i); !slices.Equal(at[id], []uint64{want}) {
				t.Errorf("event %s is at %v; its caller was told %d", id, at[id], want)
			}
			delete(at, id)
		}
	}
	if len(at) != 0 {
		t.Errorf("%d of %d events are on the stream although their callers were told that they are not", len(at), total)
	}
}

func TestFollowGoesOnOverBrokenConnections(t *testing.T) {
	s, direct, p := newProxiedStore(t, Config{})
	const n = 6000
	ctx, cancel := contextWithin(t, time.Minute)
	defer cancel()
	writing := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i += 100 {
			_, err = direct.Append(t.Context(), newEvents(100)...)
		}
		writing <- err
	}()
	seen, cuts := uint64(0), 0
	err := s.Follow(ctx, 0, func(batch []events.Recorded) error {
		for _, r := range batch {
			if r.Seq != seen+1 {
				t.Errorf("event %d came after %d", r.Seq, seen)
			}
			seen = r.Seq
		}
		if seen == n {
			cancel()
		} else if cuts < 6 && seen > uint64(cuts)*n/8 {
			cuts++
			p.cut()
		}
		return nil
	})
	if seen != n {
		t.Errorf("the last event is %d of %d: %v", seen, n, err)
	}
	if err := <-writing; err != nil {
		t.Error(err)
	}
}
