package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// population makes the events of a ledger that serves shops.
type population struct {
	rng   *rand.Rand
	actor events.Actor
	now   time.Time
	made  uint64
	// journalPos is that of the last use.
	journalPos uint64
}

// populationNode is the node that the events say they come from.
const populationNode = "bench"

func newPopulation() *population {
	return &population{
		rng:   rand.New(rand.NewPCG(1, 2)),
		actor: events.Actor{Type: "token", ID: populationAdmin.String(), Name: "admin", TokenID: populationAdmin},
		// An event a millisecond: the ids rise with the time, as they do where
		// tokens are made one after another.
		now: commands.Clock(nil)().Add(-time.Hour),
	}
}

var populationAdmin = ulid.MustParse("01ARZ3NDEKTSV4RRFFQ69G5FAV")

func (p *population) event(id ulid.ULID, data events.Data) events.Event {
	defer func() { p.now = p.now.Add(time.Millisecond) }()
	return events.Event{
		ID: commands.NewID(p.now), Source: "/tokenledger/" + populationNode, Subject: id.String(), Time: p.now,
		Tenant: events.DefaultTenant, Data: data,
	}
}

func (p *population) about(id ulid.ULID) events.About {
	return events.About{TokenID: id, Actor: p.actor, Origin: events.Origin{
		IP: p.ip(), UserAgent: "tokenledger-bench", RequestID: commands.NewID(p.now).String(),
	}}
}

func (p *population) ip() string { return fmt.Sprintf("198.51.100.%d", p.rng.IntN(256)) }

// generated gives the event of a new token that is good for a while, and its
// secret.
func (p *population) generated() (events.Event, ulid.ULID, secret.Secret) {
	p.made++
	id := commands.NewID(p.now)
	minted := secret.Mint(secret.DefaultPrefix, id)
	l := labels(p.made)
	return p.event(id, &events.TokenGenerated{
		About: p.about(id), Name: l.Name, Site: l.Site, Owner: l.Owner, Scopes: l.Scopes, SHA256: minted.Hash(),
		ExpiresAt: p.now.Add(time.Duration(1+p.rng.IntN(365)) * 24 * time.Hour),
	}), id, minted
}

func (p *population) used(id ulid.ULID) events.Event {
	p.journalPos++
	about := p.about(id)
	about.Origin = events.Origin{}
	return p.event(id, &events.TokenUsed{Use: events.Use{
		About: about, Count: 1 + p.rng.Uint64N(5), FirstAt: p.now, LastAt: p.now, IP: p.ip(),
		Scopes: []string{"orders:read"}, Node: populationNode, JournalPos: p.journalPos,
	}})
}

func (p *population) revoked(id ulid.ULID) events.Event {
	return p.event(id, &events.TokenRevoked{About: p.about(id), EffectiveAt: p.now, ReasonCode: events.ReasonUnused, Reason: "no longer needed"})
}

// openStream opens the stream in dir without a node.
func (b *bench) openStream(ctx context.Context, dir string) (_ *eventstore.Store, _ *nats.Conn, stop func(), err error) {
	broker, err := natsserver.Start(natsserver.Config{StoreDir: dir, Logger: b.Logger})
	if err != nil {
		return nil, nil, nil, err
	}
	conn, err := broker.Connect()
	if err != nil {
		broker.Shutdown()
		return nil, nil, nil, err
	}
	store, err := eventstore.Open(eventstore.Config{Conn: conn, Logger: b.Logger})
	if err == nil {
		if err = store.Ensure(ctx); err == nil {
			return store, conn, func() { store.Close(); conn.Close(); broker.Shutdown() }, nil
		}
		store.Close()
	}
	conn.Close()
	broker.Shutdown()
	return nil, nil, nil, err
}

// fill appends n events to the store in large batches. The next batch is made
// while one is on its way.
func (b *bench) fill(ctx context.Context, store *eventstore.Store, n int, next func() events.Event) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []events.Event, 1)
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		defer close(batches)
		for left := n; left > 0; {
			batch := make([]events.Event, min(left, eventstore.MaxEvents))
			for i := range batch {
				batch[i] = next()
			}
			left -= len(batch)
			select {
			case batches <- batch:
			case <-ctx.Done():
				return
			}
		}
	}()
	stored := 0
	for batch := range batches {
		if _, err := store.Append(ctx, batch...); err != nil {
			return fmt.Errorf("prepare the stream: %w", err)
		}
		if stored += len(batch); stored%20_000 == 0 {
			b.step("preparing the stream, %d of %d events", stored, n)
		}
	}
	return ctx.Err()
}

// holder keeps the token strings of many tokens in one piece of memory.
type holder struct {
	width int
	text  []byte
}

func (h *holder) add(s secret.Secret) {
	h.width = len(s.Reveal())
	h.text = append(h.text, s.Reveal()...)
}

func (h *holder) len() int        { return len(h.text) / h.width }
func (h *holder) at(i int) []byte { return h.text[i*h.width : (i+1)*h.width] }
func (h *holder) id(i int) (ulid.ULID, error) {
	return secret.Parse(secret.Of(string(h.at(i))))
}

// populate puts the events of n tokens behind what the node of dir, which must not
// run, has on its stream, and gives their secrets.
func (b *bench) populate(ctx context.Context, dir string, n int) (*holder, error) {
	store, _, stop, err := b.openStream(ctx, filepath.Join(dataDir(dir), "stream"))
	if err != nil {
		return nil, err
	}
	defer stop()
	p := newPopulation()
	h := &holder{text: make([]byte, 0, n*secret.MaxLength)}
	err = b.fill(ctx, store, n, func() events.Event {
		e, _, s := p.generated()
		h.add(s)
		return e
	})
	return h, err
}
