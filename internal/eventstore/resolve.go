package eventstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// resolveLater hands a request of which it is not known whether it is stored to the
// resolver.
func (c *committer) resolveLater(r *request, cause error) {
	r.exposed = true
	r.cause = cause
	c.mu.Lock()
	c.unresolved = append(c.unresolved, r)
	c.mu.Unlock()
	signal(c.wakeResolve)
}

// patience is how long after its first publication a request is published again.
func (c *committer) patience() time.Duration {
	return min(c.resolveWait, time.Duration(c.maxResolve.Load()))
}

// resolveLoop looks for requests on the stream until each is found, or published
// again, or out of time.
func (c *committer) resolveLoop() {
	const shortest, longest = 20 * time.Millisecond, time.Second
	wait := shortest
	retry := time.NewTimer(wait)
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.wakeResolve:
		case <-retry.C:
		}
		c.mu.Lock()
		requests := c.unresolved
		c.unresolved = nil
		c.mu.Unlock()
		rest := c.resolve(requests)
		if len(rest) == 0 {
			wait = shortest
			continue
		}
		c.mu.Lock()
		c.unresolved = append(c.unresolved, rest...)
		c.mu.Unlock()
		retry.Reset(wait)
		wait = min(2*wait, longest)
	}
}

// resolve looks for the requests once, and gives those that are still open.
func (c *committer) resolve(requests []*request) (rest []*request) {
	base := ^uint64(0)
	now := time.Now()
	for _, r := range requests {
		if r.state.Load() == givenUp {
			continue // the caller has its answer
		}
		if now.Sub(r.sent) > c.patience() || c.nc.IsClosed() {
			r.unknown(r.cause)
			continue
		}
		rest = append(rest, r)
		base = min(base, r.base)
	}
	if len(rest) == 0 || c.nc.Status() != nats.CONNECTED {
		return rest
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.ackWait)
	defer cancel()
	found, last, err := c.search(ctx, rest, base)
	if err != nil {
		c.logger.Warn("cannot look for events whose outcome is unknown; trying again", "error", err)
		for _, r := range rest {
			r.cause = fmt.Errorf("%w; then: %w", rootCause(r.cause), err)
		}
		return rest
	}
	open := rest
	rest = nil
	for _, r := range open {
		if !c.conclude(ctx, r, found, last) {
			rest = append(rest, r)
		}
	}
	return rest
}

// rootCause keeps causes from growing with every try.
func rootCause(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()[0]
	}
	return err
}

// search reads the ids of what was stored behind base. It gives the sequences of the
// requests' first events, which alone bear an id, and the stream's last.
func (c *committer) search(ctx context.Context, requests []*request, base uint64) (map[string]uint64, uint64, error) {
	info, err := c.store.info(ctx)
	if err != nil {
		return nil, 0, err
	}
	st := stateOf(info)
	found := make(map[string]uint64)
	wanted := make(map[string]bool)
	older := false
	for _, r := range requests {
		wanted[r.ids[0].String()] = true
		older = older || r.duplicate
	}
	collect := func(seq uint64, m *nats.Msg) {
		if id := m.Header.Get(jetstream.MsgIDHeader); wanted[id] {
			if _, ok := found[id]; !ok {
				found[id] = seq
			}
		}
	}
	from := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: base + 1}
	if older {
		// The server knows an id that this store may not have published just
		// now: a caller repeats what was stored before.
		start := info.TimeStamp.Add(-info.Config.Duplicates - time.Minute) // by the server's clock
		from = jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start}
	}
	if older && st.Messages > 0 || !older && st.Last > base {
		if err := c.store.scan(ctx, from, st.Last, collect); err != nil {
			return nil, 0, err
		}
	}
	return found, st.Last, nil
}

// conclude ends r, or has it published again, by what was found. It gives false
// if neither can be done yet.
func (c *committer) conclude(ctx context.Context, r *request, found map[string]uint64, last uint64) bool {
	seq, stored := found[r.ids[0].String()]
	end := seq + uint64(len(r.msgs)) - 1
	switch {
	case stored && end > last:
		r.cause = errors.New("some of the events are on the stream and some are not; its server may be writing them")
		return false
	case stored && r.first && seq != 1:
		r.finish(0, ErrNotEmpty)
	case stored:
		return c.finishStored(ctx, r, end)
	case r.first && last > 0:
		r.finish(0, ErrNotEmpty)
	case r.duplicate:
		// The server knows an id that is not on the stream: it is in the middle
		// of storing it.
		return false
	default:
		// Should the first publication still arrive, the server knows the ids.
		c.logger.Info("events whose outcome was unknown are not stored; they are sent again", "events", len(r.ids))
		r.alone = true
		c.mu.Lock()
		c.queue = append(c.queue, r)
		c.mu.Unlock()
		signal(c.wake)
	}
	return true
}

// finishStored ends r, whose first event was found. What was appended together is
// stored together, so its last has to stand at end.
func (c *committer) finishStored(ctx context.Context, r *request, end uint64) bool {
	if len(r.msgs) > 1 {
		got, err := c.store.Get(ctx, end)
		if _, undecodable := errors.AsType[*DecodeError](err); err != nil && !undecodable {
			r.cause = err
			return false
		}
		if !bytes.Equal(got.Raw, r.msgs[len(r.msgs)-1].Data) {
			r.unknown(fmt.Errorf("the first of the events is on the stream, at sequence %d, but the others do not follow it: it was appended without them, or the stream is damaged", end+1-uint64(len(r.msgs))))
			return true
		}
	}
	c.logger.Info("events whose outcome was unknown are stored", "events", len(r.msgs), "last", end)
	c.raiseTip(end)
	r.finish(end, nil)
	return true
}
