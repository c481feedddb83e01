package eventstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// newEvent is a generated token as the ledger writes it, some 600 bytes.
func newEvent(i int) events.Event {
	id := ulid.Make()
	var actor ulid.ULID // one of a few admins
	actor[15] = byte(1 + i%4)
	return events.Event{
		ID:      ulid.Make(),
		Source:  "/tokenledger/node1",
		Subject: id.String(),
		Time:    time.Now().UTC().Truncate(time.Millisecond),
		Tenant:  "acme",
		Data: &events.TokenGenerated{
			About: events.About{
				TokenID: id,
				Actor:   events.Actor{Type: "token", ID: actor.String(), Name: "admin", TokenID: actor},
				Origin:  events.Origin{IP: "192.0.2.7", UserAgent: "tokenledger/1", RequestID: ulid.Make().String()},
			},
			Name:   fmt.Sprintf("WooCommerce shop %d", i),
			Site:   "shop.example.com",
			Owner:  "ops",
			Scopes: []string{"orders:read", "orders:write"},
			SHA256: events.Digest(sha256.Sum256([]byte(id.String()))),
		},
	}
}

func newEvents(n int) []events.Event {
	evs := make([]events.Event, n)
	for i := range evs {
		evs[i] = newEvent(i)
	}
	return evs
}

// startServer runs an embedded server and gives a connection to it.
func startServer(tb testing.TB, cfg natsserver.Config) (*natsserver.Server, *nats.Conn) {
	tb.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = tb.TempDir()
	}
	srv, err := natsserver.Start(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return srv, nc
}

// openStore opens a store and closes it at the end of the test.
func openStore(tb testing.TB, cfg Config) *Store {
	tb.Helper()
	if cfg.Logger == nil && testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	s, err := Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// newStore gives a ready store on an embedded server of its own.
func newStore(tb testing.TB) (*Store, *nats.Conn) {
	tb.Helper()
	_, nc := startServer(tb, natsserver.Config{})
	s := openStore(tb, Config{Conn: nc})
	if err := s.Ensure(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s, nc
}

// collect follows the stream from after until it has n events.
func collect(tb testing.TB, s *Store, after uint64, n int) []events.Recorded {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	var got []events.Recorded
	err := s.Follow(ctx, after, func(batch []events.Recorded) error {
		got = append(got, batch...)
		if len(got) >= n {
			cancel()
		}
		return nil
	})
	if len(got) < n {
		tb.Fatalf("got %d events of %d: %v", len(got), n, err)
	}
	return got
}

func contextWithin(tb testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(tb.Context(), d)
}
