package eventstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// archived gives n events as an archive has them, received long ago.
func archived(t testing.TB, n int) []events.Recorded {
	t.Helper()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := make([]events.Recorded, n)
	for i := range all {
		e := newEvent(i)
		raw, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = events.Recorded{Seq: uint64(i + 1), Received: began.Add(time.Duration(i) * 1234567891), Subject: events.StreamSubject(e), Raw: raw, Event: e}
	}
	return all
}

// restoredStore gives a store whose stream was restored.
func restoredStore(t *testing.T, nc *nats.Conn, evs []events.Recorded) *Store {
	t.Helper()
	s := openStore(t, Config{Conn: nc})
	w, err := s.CreateRestored(t.Context(), uint64(len(evs)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t.Context(), evs); err != nil {
		t.Fatal(err)
	}
	if !w.Done() {
		t.Fatal("the stream is not whole")
	}
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// forge publishes an event as somebody who may publish could.
func forge(t *testing.T, nc *nats.Conn, received string) {
	t.Helper()
	e := newEvent(0)
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Subject: events.StreamSubject(e), Data: raw, Header: nats.Header{ReceivedHeader: {received}}}
	if _, err := nc.RequestMsg(m, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestARestoredStreamHasTheTimesOfTheArchive(t *testing.T) {
	dir := t.TempDir()
	srv, nc := startServer(t, natsserver.Config{StoreDir: dir})
	evs := archived(t, 2345)
	s := restoredStore(t, nc, evs)
	before := time.Now().Add(-time.Minute)
	forge(t, nc, "2020-01-02T03:04:05.000000000Z")
	if _, err := s.Append(t.Context(), newEvents(3)...); err != nil {
		t.Fatal(err)
	}
	forge(t, nc, "2020-01-02T03:04:05.000000000Z")
	total := len(evs) + 5

	check := func(t *testing.T, s *Store) {
		for _, after := range []int{0, 1, 1000, len(evs) - 1, len(evs), len(evs) + 1} {
			got := collect(t, s, uint64(after), total-after)
			for i, r := range got {
				seq := after + i + 1
				if seq <= len(evs) && !r.Received.Equal(evs[seq-1].Received) {
					t.Fatalf("followed from %d, event %d was received %s, want %s", after, seq, r.Received, evs[seq-1].Received)
				}
				if seq > len(evs) && r.Received.Before(before) {
					t.Fatalf("followed from %d, event %d has the forged time %s", after, seq, r.Received)
				}
				if r.Received.Location() != time.UTC {
					t.Fatalf("event %d has a time that is not in UTC", seq)
				}
				if seq%100 != 0 && seq < len(evs)-1 {
					continue
				}
				one, err := s.Get(t.Context(), uint64(seq))
				if err != nil {
					t.Fatal(err)
				}
				led, err := s.messageFromLeader(t.Context(), uint64(seq))
				if err != nil {
					t.Fatal(err)
				}
				if one.Received != r.Received || led.Received != r.Received || one.Subject != r.Subject {
					t.Fatalf("event %d: followed %s, got %s, from the leader %s", seq, r.Received, one.Received, led.Received)
				}
			}
		}
		st, err := s.State(t.Context())
		if err != nil || st.Restored != uint64(len(evs)) {
			t.Fatalf("the stream says that %d events were restored, %v", st.Restored, err)
		}
	}
	check(t, s)
	// A store that has never asked decides the same, for one message.
	fresh := openStore(t, Config{Conn: nc})
	if one, err := fresh.Get(t.Context(), uint64(len(evs)+1)); err != nil || one.Received.Before(before) {
		t.Fatalf("the forged time counts: %s, %v", one.Received, err)
	}
	nc.Close()
	srv.Shutdown()

	_, nc = startServer(t, natsserver.Config{StoreDir: dir})
	again := openStore(t, Config{Conn: nc})
	if err := again.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, again)
}

func TestAHeaderCountsForNothingOnAStreamThatWasNotRestored(t *testing.T) {
	s, nc := newStore(t)
	forge(t, nc, "2020-01-02T03:04:05.000000000Z")
	got := collect(t, s, 0, 1)[0]
	one, err := s.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Received.Year() == 2020 || one.Received != got.Received {
		t.Errorf("followed %s, got %s", got.Received, one.Received)
	}
}

func TestARestoreThatStoppedIsRefused(t *testing.T) {
	dir := t.TempDir()
	srv, nc := startServer(t, natsserver.Config{StoreDir: dir})
	evs := archived(t, 20)
	s := openStore(t, Config{Conn: nc})
	refused := func(s *Store, stored int) {
		t.Helper()
		wrong, ok := errors.AsType[*StreamConfigError](s.Ensure(t.Context()))
		if want := fmt.Sprintf("stopped at %d of 20", stored); !ok || len(wrong.Problems) != 1 || !contains(wrong.Problems[0], want) {
			t.Fatalf("the error is %v, want one that says %q", wrong, want)
		}
	}
	w, err := s.CreateRestored(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	refused(s, 0)
	if err := w.Append(t.Context(), evs[:7]); err != nil {
		t.Fatal(err)
	}
	refused(s, 7)
	if err := w.Append(t.Context(), evs[8:9]); err == nil {
		t.Error("an event that does not follow on was taken")
	}
	nc.Close()
	srv.Shutdown()
	_, nc = startServer(t, natsserver.Config{StoreDir: dir})
	again := openStore(t, Config{Conn: nc})
	refused(again, 7)
	if _, err := again.CreateRestored(t.Context(), 20); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a stream with events was taken to restore into: %v", err)
	}
	// Somebody else publishes to it meanwhile.
	w.store = again
	forge(t, nc, "2020-01-02T03:04:05.000000000Z")
	if err := w.Append(t.Context(), evs[7:]); err == nil || !contains(err.Error(), "somebody else publishes") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnEmptyStreamIsRestoredInto(t *testing.T) {
	s, _ := newStore(t) // an operator made it, with settings of his own
	w, err := s.CreateRestored(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	evs := archived(t, 5)
	if err := w.Append(t.Context(), evs); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, s, 0, 5); !got[4].Received.Equal(evs[4].Received) {
		t.Errorf("received %s, want %s", got[4].Received, evs[4].Received)
	}
}

func TestExamineStopsAtNothing(t *testing.T) {
	for name, deleted := range map[string][]uint64{
		"nothing":       nil,
		"one":           {7},
		"the first":     {1, 2},
		"the last":      {29, 30},
		"several":       {1, 4, 5, 6, 20, 30},
		"all but one":   {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30},
		"at both sides": {1, 30},
	} {
		t.Run(name, func(t *testing.T) {
			s, stream := newLooseStore(t)
			if _, err := s.Append(t.Context(), newEvents(30)...); err != nil {
				t.Fatal(err)
			}
			gone := map[uint64]bool{}
			for _, seq := range deleted {
				gone[seq] = true
				if err := stream.DeleteMsg(t.Context(), seq); err != nil {
					t.Fatal(err)
				}
			}
			examined(t, s, 1, 30, gone)
			examined(t, s, 4, 21, gone)
		})
	}
}

// examined has Examine find all but what is gone, in order.
func examined(t *testing.T, s *Store, first, last uint64, gone map[uint64]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next := first
	is := func(seq uint64, lost bool) {
		if seq != next || gone[seq] != lost {
			t.Fatalf("sequence %d, lost %v: want %d, lost %v", seq, lost, next, gone[next])
		}
		next++
	}
	err := s.Examine(ctx, first, last, Findings{
		Message: func(m Stored) error { is(m.Seq, false); return nil },
		Lost: func(from, to uint64) error {
			for ; from <= to; from++ {
				is(from, true)
			}
			return nil
		},
	})
	if err != nil || next != last+1 {
		t.Fatalf("the next would be %d, want %d: %v", next, last+1, err)
	}
}

func TestExamineGivesBackWhatAFindingSays(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Append(t.Context(), newEvents(30)...); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	err := s.Examine(t.Context(), 1, 30, Findings{Message: func(m Stored) error {
		if m.Seq == 9 {
			return enough
		}
		return nil
	}})
	if !errors.Is(err, enough) {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Examine(ctx, 1, 30, Findings{Message: func(Stored) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestEnsureRefusesMetadataThatSaysNothing(t *testing.T) {
	_, nc := startServer(t, natsserver.Config{})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	cfg := streamConfig(1)
	cfg.Metadata = map[string]string{restoredKey: "many"}
	if _, err := js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*StreamConfigError](openStore(t, Config{Conn: nc}).Ensure(t.Context())); !ok {
		t.Error("it was taken")
	}
}
