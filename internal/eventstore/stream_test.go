package eventstore

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/internal/natsserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEnsureCanBeCalledAgainAndByManyAtOnce(t *testing.T) {
	_, nc := startServer(t, natsserver.Config{})
	stores := make([]*Store, 8)
	for i := range stores {
		stores[i] = openStore(t, Config{Conn: nc})
	}
	if _, err := stores[0].State(t.Context()); !errors.Is(err, ErrNoStream) {
		t.Fatalf("the state before the stream was made: %v, want ErrNoStream", err)
	}
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for range 3 {
				if err := s.Ensure(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := stores[0].Append(t.Context(), newEvents(3)...); err != nil {
		t.Fatal(err)
	}
	if err := stores[1].Ensure(t.Context()); err != nil {
		t.Errorf("a stream with events: %v", err)
	}
	st, err := stores[1].State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.First != 1 || st.Last != 3 || st.Messages != 3 || st.Deleted != 0 || st.Created.IsZero() {
		t.Errorf("the state is %+v", st)
	}
}

func TestTheStreamThatEnsureMakesKeepsItsEvents(t *testing.T) {
	s, nc := newStore(t)
	if _, err := s.Append(t.Context(), newEvents(2)...); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), Stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a message could be deleted")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the stream could be purged")
	}
}

func TestEnsureRefusesAStreamThatBreaksTheGuarantees(t *testing.T) {
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"subjects":     func(c *jetstream.StreamConfig) { c.Subjects = []string{"ledger.>"} },
		"memory":       func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"retention":    func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"max age":      func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"messages":     func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"bytes":        func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 },
		"of a subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"refuses":      func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 << 10 },
		"deleted":      func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"purged":       func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"atomic":       func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"expire":       func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"duplicates":   func(c *jetstream.StreamConfig) { c.Duplicates = time.Second },
		"begins":       func(c *jetstream.StreamConfig) { c.FirstSeq = 10 },
	} {
		t.Run(name, func(t *testing.T) {
			_, nc := startServer(t, natsserver.Config{})
			js, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			cfg := streamConfig(1)
			change(&cfg)
			if _, err := js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, Config{Conn: nc})
			err = s.Ensure(t.Context())
			var wrong *StreamConfigError
			if !errors.As(err, &wrong) || len(wrong.Problems) != 1 {
				t.Fatalf("the error is %v, want one problem", err)
			}
			if word := strings.Fields(name)[0]; !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not tell of %q: %v", word, err)
			}
		})
	}
}

func TestEnsureWaitsNoLongerThanItsContext(t *testing.T) {
	srv, nc := startServer(t, natsserver.Config{})
	s := openStore(t, Config{Conn: nc})
	srv.Shutdown()
	ctx, cancel := contextWithin(t, 200*time.Millisecond)
	defer cancel()
	if err := s.Ensure(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a server: %v, want ErrUnavailable", err)
	}
}
