package eventstore

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

func TestConcurrentAppendsAreWholeContiguousAndOnce(t *testing.T) {
	s, _ := newStore(t)
	testConcurrentAppends(t, s, 48, 20)
}

// testConcurrentAppends has callers append 1 to 5 events at a time, and checks
// that each event stands where its caller was told.
func testConcurrentAppends(t *testing.T, s *Store, callers, rounds int) {
	t.Helper()
	type placed struct {
		seq uint64
		raw []byte
	}
	var (
		mu    sync.Mutex
		where = make(map[ulid.ULID]placed)
		wg    sync.WaitGroup
	)
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				n := 1
				if caller%4 == 0 {
					n = 1 + (caller/4+round)%5
				}
				evs := newEvents(n)
				last, err := s.Append(t.Context(), evs...)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, e := range evs {
					raw, _ := events.Encode(e)
					where[e.ID] = placed{last - uint64(n) + 1 + uint64(i), raw}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got := collect(t, s, 0, len(where))
	if len(got) != len(where) {
		t.Fatalf("the stream has %d events, %d were appended", len(got), len(where))
	}
	for i, r := range got {
		if r.Seq != uint64(i+1) {
			t.Fatalf("event %d has the sequence %d", i+1, r.Seq)
		}
		p, ok := where[r.Event.ID]
		if !ok || p.seq != r.Seq || !bytes.Equal(p.raw, r.Raw) {
			t.Fatalf("sequence %d holds event %s; its caller was told %d (its own: %v)", r.Seq, r.Event.ID, p.seq, ok)
		}
		if r.Subject != "ledger.acme.generated" || r.Received.IsZero() || r.Received.Location() != time.UTC {
			t.Fatalf("sequence %d: subject %q, received %v", r.Seq, r.Subject, r.Received)
		}
	}
}

func TestOfManyFirstAppendsOneSucceeds(t *testing.T) {
	for _, n := range []int{1, 3} {
		s, nc := newStore(t)
		const callers = 24
		errs := make([]error, callers)
		var wg sync.WaitGroup
		for i := range errs {
			other := openStore(t, Config{Conn: nc})
			wg.Go(func() { errs[i] = other.AppendFirst(t.Context(), newEvents(n)...) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, ErrNotEmpty):
				t.Errorf("a caller that lost got %v, want ErrNotEmpty", err)
			}
		}
		st, err := s.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if won != 1 || st.Last != uint64(n) {
			t.Errorf("%d callers won, the stream has %d events of %d", won, st.Last, n)
		}
	}
}

func TestFirstEventsAreRefusedBehindOthers(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Append(t.Context(), newEvent(1)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2} {
		if err := s.AppendFirst(t.Context(), newEvents(n)...); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("%d events: %v, want ErrNotEmpty", n, err)
		}
	}
}

func TestEventsAppendedAgainAreStoredOnce(t *testing.T) {
	s, nc := newStore(t)
	one, three := newEvent(1), newEvents(3)
	first, err := s.Append(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.Append(t.Context(), three...)
	if err != nil {
		t.Fatal(err)
	}
	other := openStore(t, Config{Conn: nc})
	for _, store := range []*Store{s, other} {
		if again, err := store.Append(t.Context(), one); err != nil || again != first {
			t.Errorf("one event again: %d, %v, want %d", again, err, first)
		}
		if again, err := store.Append(t.Context(), three...); err != nil || again != last {
			t.Errorf("three events again: %d, %v, want %d", again, err, last)
		}
	}
	// A repeat among other callers' events spoils nobody's batch.
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			switch i % 4 {
			case 0:
				if again, err := s.Append(t.Context(), one); err != nil || again != first {
					t.Errorf("one event again, in a crowd: %d, %v, want %d", again, err, first)
				}
			default:
				if _, err := s.Append(t.Context(), newEvents(2)...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if st, err := s.State(t.Context()); err != nil || st.Last != 4+60 {
		t.Errorf("the stream ends at %d (%v), want 64", st.Last, err)
	}
	if _, err := s.Append(t.Context(), one, newEvent(2)); !errors.Is(err, ErrUnknownOutcome) || !strings.Contains(err.Error(), "at sequence 1,") {
		t.Errorf("a stored event in other company: %v, want that it is there", err)
	}
}

func TestABadEventFailsItsOwnCallerOnly(t *testing.T) {
	s, _ := newStore(t)
	bad := map[string]events.Event{}
	e := newEvent(1)
	e.Tenant = "Not A Tenant"
	bad["tenant"] = e
	e = newEvent(1)
	e.Data = &events.TokenGenerated{About: e.Data.(*events.TokenGenerated).About, Name: strings.Repeat("x", 1<<20), SHA256: events.Digest{1}}
	bad["size"] = e
	e = newEvent(1)
	e.Data = &events.Unknown{Name: "other.system.*.v1", Raw: []byte("{}")}
	bad["subject"] = e
	e = newEvent(1)
	e.Data = nil
	bad["data"] = e
	var wg sync.WaitGroup
	for range 8 {
		for name, e := range bad {
			wg.Go(func() {
				if _, err := s.Append(t.Context(), newEvent(1), e); err == nil || errors.Is(err, ErrUnknownOutcome) {
					t.Errorf("bad %s: %v, want a plain error", name, err)
				}
			})
		}
		wg.Go(func() {
			if _, err := s.Append(t.Context(), newEvent(1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if st, err := s.State(t.Context()); err != nil || st.Last != 8 {
		t.Errorf("the stream ends at %d (%v), want 8", st.Last, err)
	}
}

func TestTheNumberOfEventsIsBounded(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Append(t.Context()); err == nil {
		t.Error("no events were appended")
	}
	if _, err := s.Append(t.Context(), newEvents(MaxEvents+1)...); err == nil {
		t.Error("more events than a batch holds were appended")
	}
	e := newEvent(1)
	if _, err := s.Append(t.Context(), e, e); err == nil {
		t.Error("the same event was appended twice at once")
	}
	if last, err := s.Append(t.Context(), newEvents(MaxEvents)...); err != nil || last != MaxEvents {
		t.Errorf("as many as a batch holds: %d, %v", last, err)
	}
}

func TestAppendWithoutAServerStoresNothingAndSaysSo(t *testing.T) {
	srv, nc := startServer(t, natsserver.Config{})
	s := openStore(t, Config{Conn: nc})
	if _, err := s.Append(t.Context(), newEvent(1)); !errors.Is(err, ErrNoStream) {
		t.Errorf("without a stream: %v, want ErrNoStream", err)
	}
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, newEvent(1)); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("with a context that has ended: %v", err)
	}
	lost := nc.StatusChanged(nats.RECONNECTING)
	srv.Shutdown()
	<-lost
	if _, err := s.Append(t.Context(), newEvent(1)); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("without a server: %v, want ErrUnavailable", err)
	}
	s.Close()
	if _, err := s.Append(t.Context(), newEvent(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("on a closed store: %v, want ErrClosed", err)
	}
}

func TestEventsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	evs := newEvents(5)
	func() {
		srv, nc := startServer(t, natsserver.Config{StoreDir: dir})
		s := openStore(t, Config{Conn: nc})
		if err := s.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.AppendFirst(t.Context(), evs[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), evs[1:]...); err != nil {
			t.Fatal(err)
		}
		s.Close()
		nc.Close()
		srv.Shutdown()
	}()
	_, nc := startServer(t, natsserver.Config{StoreDir: dir})
	s := openStore(t, Config{Conn: nc})
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, r := range collect(t, s, 0, len(evs)) {
		if r.Seq != uint64(i+1) || r.Event.ID != evs[i].ID {
			t.Errorf("sequence %d is event %s, want %s", r.Seq, r.Event.ID, evs[i].ID)
		}
		got, err := s.Get(t.Context(), r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if got.Seq != r.Seq || !got.Received.Equal(r.Received) || got.Subject != r.Subject || !bytes.Equal(got.Raw, r.Raw) {
			t.Errorf("Get and Follow differ at %d: %+v, %+v", r.Seq, got, r)
		}
	}
	for _, seq := range []uint64{0, 6, 1 << 60} {
		if _, err := s.Get(t.Context(), seq); !errors.Is(err, ErrNotFound) {
			t.Errorf("sequence %d: %v, want ErrNotFound", seq, err)
		}
	}
	// The server still knows the ids of before.
	if last, err := s.Append(t.Context(), evs[1:]...); err != nil || last != 5 {
		t.Errorf("events of before the restart again: %d, %v", last, err)
	}
}
