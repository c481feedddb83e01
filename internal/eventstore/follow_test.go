package eventstore

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// newLooseStore has a stream that lets messages be deleted, to stand for one that
// was damaged.
func newLooseStore(t *testing.T) (*Store, jetstream.Stream) {
	t.Helper()
	_, nc := startServer(t, natsserver.Config{})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	cfg := streamConfig(1)
	cfg.DenyDelete, cfg.DenyPurge = false, false
	stream, err := js.CreateStream(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return openStore(t, Config{Conn: nc}), stream
}

// followAll follows until an error, and gives the last sequence applied.
func followAll(t *testing.T, s *Store, after uint64) (last uint64, err error) {
	t.Helper()
	last = after
	err = s.Follow(t.Context(), after, func(batch []events.Recorded) error {
		for _, r := range batch {
			if r.Seq != last+1 {
				t.Errorf("event %d came after %d", r.Seq, last)
			}
			last = r.Seq
		}
		return nil
	})
	return last, err
}

func TestFollowEndsAtAGap(t *testing.T) {
	for name, c := range map[string]struct {
		delete []uint64
		after  uint64
		want   GapError
	}{
		"in the middle":         {[]uint64{4}, 0, GapError{Want: 4, Got: 5}},
		"wide":                  {[]uint64{4, 5, 6}, 0, GapError{Want: 4, Got: 7}},
		"at the beginning":      {[]uint64{1, 2}, 0, GapError{Want: 1, Got: 3}},
		"right behind where":    {[]uint64{6}, 5, GapError{Want: 6, Got: 7}},
		"at the end":            {[]uint64{9, 10}, 0, GapError{Want: 9}},
		"at the end, all there": {[]uint64{10}, 9, GapError{Want: 10}},
		"everything":            {[]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0, GapError{Want: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for the stream to be idle, most of the time
			s, stream := newLooseStore(t)
			if _, err := s.Append(t.Context(), newEvents(10)...); err != nil {
				t.Fatal(err)
			}
			for _, seq := range c.delete {
				if err := stream.DeleteMsg(t.Context(), seq); err != nil {
					t.Fatal(err)
				}
			}
			last, err := followAll(t, s, c.after)
			var gap *GapError
			if !errors.As(err, &gap) || *gap != c.want {
				t.Errorf("the error is %v, want %+v", err, c.want)
			}
			if last != c.want.Want-1 {
				t.Errorf("events up to %d were applied, want %d", last, c.want.Want-1)
			}
		})
	}
}

func TestFollowFindsThatTheStreamWasMadeAnewWhileItWaits(t *testing.T) {
	for name, again := range map[string]int{"empty": 0, "with as many events": 3, "with more": 5} {
		t.Run(name, func(t *testing.T) { testMadeAnew(t, again) })
	}
}

func testMadeAnew(t *testing.T, again int) {
	t.Parallel() // it waits for the stream to be idle, most of the time
	s, _ := newStore(t)
	if _, err := s.Append(t.Context(), newEvents(3)...); err != nil {
		t.Fatal(err)
	}
	err := s.Follow(t.Context(), 0, func(batch []events.Recorded) error {
		if batch[len(batch)-1].Seq > 3 {
			t.Error("an event of another stream was applied")
		}
		if batch[len(batch)-1].Seq < 3 {
			return nil // the others are still to come
		}
		if err := s.js.DeleteStream(t.Context(), Stream); err != nil {
			t.Error(err)
		}
		// The server may still be busy with the files of the one before.
		eventually(t, "the stream is made anew", func() bool {
			_, err := s.js.CreateStream(t.Context(), streamConfig(1))
			return err == nil
		})
		if again > 0 {
			if _, err := s.Append(t.Context(), newEvents(again)...); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	var back *RolledBackError
	switch {
	case again >= 3 && errors.Is(err, ErrReplaced):
	case again < 3 && errors.As(err, &back) && back.Seen == 3 && back.Last == 0:
	default:
		t.Errorf("the error is %v", err)
	}
}

func TestFollowRefusesAStreamThatEndsBeforeItsStart(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Append(t.Context(), newEvents(3)...); err != nil {
		t.Fatal(err)
	}
	_, err := followAll(t, s, 7)
	var back *RolledBackError
	if !errors.As(err, &back) || back.Seen != 7 || back.Last != 3 {
		t.Errorf("the error is %v, want a RolledBackError from 7 to 3", err)
	}
}

func TestFollowNeedsAStream(t *testing.T) {
	_, nc := startServer(t, natsserver.Config{})
	s := openStore(t, Config{Conn: nc})
	if _, err := followAll(t, s, 0); !errors.Is(err, ErrNoStream) {
		t.Errorf("the error is %v, want ErrNoStream", err)
	}
}

func TestFollowAppliesWhatComesBeforeAnUnreadableEvent(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Append(t.Context(), newEvents(3)...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.js.Publish(t.Context(), "ledger.acme.generated", []byte(`{"specversion":"1.0"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), newEvent(1)); err != nil {
		t.Fatal(err)
	}
	last, err := followAll(t, s, 0)
	var bad *DecodeError
	if !errors.As(err, &bad) || bad.Seq != 4 || last != 3 {
		t.Errorf("applied up to %d, then %v; want a DecodeError at 4", last, err)
	}
	if _, err := s.Get(t.Context(), 4); !errors.As(err, &bad) {
		t.Errorf("Get gives %v, want a DecodeError", err)
	}
}

func TestFollowEndsWithApplyAndWithItsContext(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Append(t.Context(), newEvents(1000)...); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	if err := s.Follow(t.Context(), 10, func(batch []events.Recorded) error {
		if batch[0].Seq != 11 {
			t.Errorf("the first event is %d, want 11", batch[0].Seq)
		}
		return stop
	}); !errors.Is(err, stop) {
		t.Errorf("the error is %v, want apply's", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Follow(ctx, 0, func([]events.Recorded) error {
		cancel()
		return nil
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want the context's", err)
	}
	if err := s.Follow(ctx, 0, func([]events.Recorded) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestFollowGoesOnWithNewEventsInBoundedBatches(t *testing.T) {
	s, _ := newStore(t)
	const n = 3*MaxBatch + 17
	appended := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i += 1000 {
			_, err = s.Append(t.Context(), newEvents(min(1000, n-i))...)
		}
		appended <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := uint64(0)
	err := s.Follow(ctx, 0, func(batch []events.Recorded) error {
		if len(batch) == 0 || len(batch) > MaxBatch {
			t.Errorf("a batch has %d events", len(batch))
		}
		for _, r := range batch {
			if r.Seq != last+1 || r.Event.Data == nil {
				t.Errorf("event %d came after %d: %+v", r.Seq, last, r.Event)
			}
			last = r.Seq
		}
		if last == n {
			cancel()
		}
		return nil
	})
	if last != n {
		t.Fatalf("the last event is %d of %d: %v", last, n, err)
	}
	if err := <-appended; err != nil {
		t.Error(err)
	}
}
