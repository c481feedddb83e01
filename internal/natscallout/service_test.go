package natscallout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"
)

// running is a service on a real server, whose requests the test makes itself: a client of
// the server comes from one address only.
type running struct {
	*Service
	t    *testing.T
	nc   *nats.Conn
	keys Keys
	ask  asker
}

func run(t *testing.T, change func(*Config)) *running {
	t.Helper()
	server, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() { server.Shutdown(); server.WaitForShutdown() })
	if !server.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	connect := func() *nats.Conn {
		nc, err := nats.Connect(server.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	r := &running{t: t, nc: connect(), keys: newKeys(t, false), ask: newAsker(t)}
	cfg := Config{
		Conn: connect(), Keys: r.keys, Accounts: Accounts{"T-{tenant}", "ALL"}, TTL: time.Minute,
		Admit: func(context.Context, string, string) (Admitted, error) {
			return Admitted{Token: ulid.Make(), Tenant: "acme", Subscribe: []string{"revocations.>"}}, nil
		},
		Ended: func(ulid.ULID) (bool, error) { return false, nil },
		Fresh: func() error { return nil },
	}
	change(&cfg)
	if r.Service, err = Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// request asks for a client at the address.
func (r *running) request(host string) []byte {
	c := r.ask.claims(r.keys, time.Now())
	c.ClientInformation.Host = host
	return r.ask.sign(r.t, c)
}

func (r *running) ask1(host string, wait time.Duration) error {
	_, err := r.nc.Request(requestSubject, r.request(host), wait)
	return err
}

// Whoever keeps his share of the workers busy, and more, keeps nobody else waiting.
func TestOneAddressDoesNotKeepOthersWaiting(t *testing.T) {
	var held atomic.Int64
	free := make(chan struct{})
	r := run(t, func(cfg *Config) {
		good := cfg.Admit
		cfg.Admit = func(ctx context.Context, token, address string) (Admitted, error) {
			if address == "192.0.2.66" {
				held.Add(1)
				<-free
				return Admitted{}, errors.New("forged")
			}
			return good(ctx, token, address)
		}
	})
	var asking sync.WaitGroup
	for range 3 * workers {
		asking.Go(func() { _ = r.ask1("192.0.2.66", time.Minute) })
	}
	for deadline := time.Now().Add(time.Minute); held.Load() < share+crowd; {
		if time.Now().After(deadline) {
			t.Fatalf("%d are being answered", held.Load())
		}
		time.Sleep(time.Millisecond)
	}
	for i := range 100 {
		if err := r.ask1(fmt.Sprintf("192.0.2.%d", i%8), time.Minute); err != nil {
			t.Fatalf("another address: %v", err)
		}
	}
	if n := held.Load(); n != share+crowd {
		t.Errorf("one address has %d workers", n)
	}
	close(free)
	r.Close() // what waits is not answered any more
	if r.dropped.Load() > 3*workers {
		t.Errorf("%d were not answered", r.dropped.Load())
	}
	r.nc.Close()
	asking.Wait()
}

// While the ledger may not be relied on nobody takes requests.
func TestRequestsAreLeftToOthersWhileStale(t *testing.T) {
	var stale atomic.Bool
	r := run(t, func(cfg *Config) {
		cfg.Fresh = func() error {
			if stale.Load() {
				return errors.New("stale")
			}
			return nil
		}
	})
	if err := r.ask1("192.0.2.1", time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, to := range []bool{true, false, true} {
		stale.Store(to)
		for deadline := time.Now().Add(time.Minute); ; {
			err := r.ask1("192.0.2.1", time.Minute)
			if to == errors.Is(err, nats.ErrNoResponders) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("stale %v: %v", to, err)
			}
			time.Sleep(time.Millisecond)
		}
	}
}
