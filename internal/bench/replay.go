package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// replaying is the suite replay under way.
type replaying struct {
	b     *bench
	dir   string
	store *eventstore.Store
	js    jetstream.JetStream
	// last is the stream's last sequence; its first is 1.
	last uint64
	// tried counts the read models.
	tried int
}

func runReplay(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	store, conn, stop, err := b.openStream(ctx, filepath.Join(dir, "stream"))
	if err != nil {
		return o, nil, err
	}
	defer stop()
	r := &replaying{b: b, dir: dir, store: store}
	p := newPopulation()
	var ids []ulid.ULID
	if err := b.fill(ctx, store, b.Tokens, func() events.Event { return p.mixed(&ids) }); err != nil {
		return o, nil, err
	}
	if err := r.open(ctx, conn); err != nil {
		return o, nil, err
	}
	size, err := r.eventSize(ctx)
	if err != nil {
		return o, nil, err
	}
	if o, err = b.alternate(ctx, 0, r.consume, r.replay); err != nil {
		return o, nil, err
	}
	cs.add("events", b.Tokens)
	cs.add("tokens", len(ids))
	cs.add("mix", "50 % generated, 40 % used, 10 % revoked, of random tokens")
	cs.add("bytes_per_event", size)
	cs.add("close_seconds", medianOf(o.product, func(s sample) float64 { return s.settle.Seconds() }))
	cs.addResident("resident_mb_at_end")
	return o, cs, nil
}

// mixed gives the next event of a ledger at work.
func (p *population) mixed(ids *[]ulid.ULID) events.Event {
	dice := p.rng.IntN(10)
	if dice < 5 || len(*ids) == 0 {
		e, id, _ := p.generated()
		*ids = append(*ids, id)
		return e
	}
	id := (*ids)[p.rng.IntN(len(*ids))]
	if dice < 9 {
		return p.used(id)
	}
	return p.revoked(id)
}

func (r *replaying) open(ctx context.Context, conn *nats.Conn) (err error) {
	if r.js, err = jetstream.New(conn); err != nil {
		return err
	}
	st, err := r.store.State(ctx)
	r.last = st.Last
	return err
}

// eventSize is the mean over a thousand events, in bytes.
func (r *replaying) eventSize(ctx context.Context) (int, error) {
	total, n := 0, uint64(0)
	for seq := uint64(1); seq <= r.last; seq += max(1, r.last/1000) {
		e, err := r.store.Get(ctx, seq)
		if err != nil {
			return 0, err
		}
		total += len(e.Raw)
		n++
	}
	return total / int(n), nil
}

// pullMessages is the number of messages asked for at once that was the fastest.
const pullMessages = 5000

// consume is the floor: all messages, in order, none decoded.
func (r *replaying) consume(ctx context.Context, _ time.Duration) (sample, error) {
	return timed(func() (int, error) {
		consumer, err := r.js.OrderedConsumer(ctx, eventstore.Stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
		if err != nil {
			return 0, fmt.Errorf("make an ordered consumer: %w", err)
		}
		var seen atomic.Uint64
		all := make(chan struct{})
		consuming, err := consumer.Consume(func(jetstream.Msg) {
			if seen.Add(1) == r.last {
				close(all)
			}
		}, jetstream.PullMaxMessages(pullMessages))
		if err != nil {
			return 0, fmt.Errorf("consume: %w", err)
		}
		defer func() {
			consuming.Stop()
			<-consuming.Closed()
		}()
		select {
		case <-all:
			return int(r.last), nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
}

// replay is the product: from an empty read model to one in which the last event
// can be read.
func (r *replaying) replay(ctx context.Context, _ time.Duration) (s sample, err error) {
	r.tried++
	dir := filepath.Join(r.dir, fmt.Sprintf("projections-%d", r.tried))
	projection := tokens.New(tokens.Config{})
	runner, err := projections.Open(dir, r.b.Logger, nil, projection)
	if err != nil {
		return s, err
	}
	s, err = timed(func() (int, error) { return int(r.last), r.follow(ctx, runner) })
	// What Pebble has put off is not part of the figure; it is said beside it.
	closing, closeErr := timed(func() (int, error) { return 0, runner.Close() })
	s.settle, s.settleCPU = closing.took, closing.cpu
	return s, errors.Join(err, closeErr, os.RemoveAll(dir))
}

func (r *replaying) follow(ctx context.Context, runner *projections.Runner) error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.store.Follow(ctx, runner.From(), runner.Apply) }()
	reached := make(chan error, 1)
	go func() { reached <- runner.WaitFor(ctx, r.last) }()
	select {
	case err := <-reached:
		stop()
		<-ended //nolint:errcheck // it was stopped on purpose
		return err
	case err := <-ended:
		stop()
		<-reached //nolint:errcheck // it was stopped with it
		return fmt.Errorf("follow the stream: %w", err)
	}
}
