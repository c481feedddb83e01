package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How callers share the cost of syncing
//
// On a stream without replicas, a server with SyncAlways syncs every single
// message: about 0.23 ms each on the machine this was measured on, whatever the
// number of callers. It stages an atomic batch in a store of its own, which costs
// some eight syncs (2 to 3 ms) whatever its size, and then syncs the stream once.
// So a batch is worth its cost from about breakEven events on, and the more there
// are in one, the better.
//
// The committer publishes single events at once, without waiting for anything,
// while fewer than breakEven are on their way. When one more comes it opens a
// batch, and goes on with batches until one ends up smaller than breakEven.
//
// A batch stays open while the server stages it. The first message is sent when
// the first event comes and asks for an acknowledgement; that takes the server
// most of what a batch costs. Meanwhile events that come are sent right behind it.
// When the acknowledgement is there the batch is committed. So callers that were
// just answered, and come back at different times, find themselves in one
// batch, and no time is spent on waiting for them.
//
// The batch headers are written here rather than by jetstreamext, whose
// PublishMsgBatch wants all messages in hand before it sends the first, and
// whose BatchPublisher stops for the first acknowledgement.
//
// With replicas the Raft log gathers by itself, and staging is in memory: single
// events are published at once, several of one caller as a batch.
const (
	breakEven = 16
	// maxBatchBytes closes a batch that holds as much. The server holds what it
	// has not yet processed in memory.
	maxBatchBytes = 8 << 20
	// maxBatches bounds the batches in flight. The server allows 50 on a
	// stream; other nodes need some.
	maxBatches = 4
	// maxInline bounds, in bytes, what a caller publishes itself.
	maxInline = 16 << 10
	// maxSingles bounds the single events in flight on a replicated stream.
	maxSingles = 4096
	// maxResolve keeps repeated publications inside the shortest duplicates
	// window that a stream may have here.
	maxResolve = 25 * time.Second
)

// committer publishes requests. Whoever has the turn dispatches: the loop, or a
// caller that finds nothing on its way. Answers of the server come in on the
// connection's goroutine.
type committer struct {
	store       *Store
	nc          *nats.Conn
	logger      *slog.Logger
	ackWait     time.Duration
	resolveWait time.Duration
	maxResolve  atomic.Int64 // time.Duration; from the stream's duplicates window

	inbox string // the prefix of reply subjects, with the last dot
	sub   *nats.Subscription

	wake        chan struct{}   // to the loop; holds one
	wakeResolve chan struct{}   // to the resolver; holds one
	ctx         context.Context // of the loop and the resolver
	cancel      context.CancelFunc
	closeOnce   sync.Once
	goroutines  sync.WaitGroup

	// tip is the highest sequence that is known to be on the stream.
	tip        atomic.Uint64
	tipKnown   atomic.Bool
	replicated atomic.Bool

	mu         sync.Mutex
	closed     bool               // guarded by mu
	queue      []*request         // guarded by mu; what the loop has not seen
	flights    map[uint64]*flight // guarded by mu; by token
	singles    int                // guarded by mu; single events in flights
	batches    int                // guarded by mu; batches in flights
	batching   bool               // guarded by mu; the last batch was worth it
	refused    []*flight          // guarded by mu; for the loop
	unresolved []*request         // guarded by mu; for the resolver
	blocked    bool               // guarded by mu; the loop waits for room

	turn    sync.Mutex // taken before mu
	pending []*request // guarded by turn; seen, not yet published
	spare   []*request // guarded by turn; an empty slice to swap with queue
	open    *flight    // guarded by turn; the batch that takes more
	token   uint64     // guarded by turn
}

func startCommitter(s *Store, cfg Config) (*committer, error) {
	c := &committer{
		store:       s,
		nc:          s.nc,
		logger:      s.logger,
		ackWait:     cfg.AckWait,
		resolveWait: cfg.ResolveWait,
		inbox:       s.nc.NewInbox() + ".",
		wake:        make(chan struct{}, 1),
		wakeResolve: make(chan struct{}, 1),
		flights:     make(map[uint64]*flight),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.maxResolve.Store(int64(maxResolve))
	c.replicated.Store(s.replicas > 1)
	sub, err := s.nc.Subscribe(c.inbox+"*", c.answer)
	if err != nil {
		c.cancel()
		return nil, err
	}
	// Answers are small, and there are no more of them than publications.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		c.cancel()
		return nil, err
	}
	c.sub = sub
	c.goroutines.Go(c.loop)
	c.goroutines.Go(c.resolveLoop)
	return c, nil
}

// known takes over what the stream says of itself.
func (c *committer) known(info *jetstream.StreamInfo) {
	c.replicated.Store(info.Config.Replicas > 1)
	if info.Config.Duplicates > 0 {
		c.maxResolve.Store(int64(info.Config.Duplicates * 3 / 4))
	}
	c.raiseTip(info.State.LastSeq)
	c.tipKnown.Store(true)
}

func (c *committer) raiseTip(seq uint64) {
	for {
		old := c.tip.Load()
		if seq <= old || c.tip.CompareAndSwap(old, seq) {
			return
		}
	}
}

// do hands a request to the loop and waits for its outcome.
func (c *committer) do(ctx context.Context, r *request) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if !c.tipKnown.Load() {
		info, err := c.store.info(ctx)
		if err != nil {
			return 0, err
		}
		c.known(info)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, ErrClosed
	}
	alone := len(r.msgs) == 1 && r.bytes < maxInline && len(c.queue) == 0 && len(c.flights) == 0
	c.queue = append(c.queue, r)
	c.mu.Unlock()
	if !alone || !c.tryDispatch() {
		signal(c.wake)
	}

	select {
	case o := <-r.done:
		return o.last, o.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(queued, givenUp) {
		return 0, fmt.Errorf("%w before the events were sent; nothing was stored", ctx.Err())
	}
	select {
	case o := <-r.done:
		return o.last, o.err
	default:
	}
	r.state.Store(givenUp)
	return 0, &UnknownOutcomeError{IDs: r.ids, Cause: ctx.Err()}
}

// tryDispatch publishes on the caller's goroutine, unless another has the turn. A
// caller by itself need not wait until the loop has woken up (some 15 µs of its
// 600). What is so small finds room in the connection's buffer (32 KiB); more might
// have to wait for it, and meanwhile nobody would hear the caller's ctx.
func (c *committer) tryDispatch() bool {
	if !c.turn.TryLock() {
		return false
	}
	defer c.turn.Unlock()
	c.dispatch()
	return true
}

// signal wakes who waits on ch; one signal is enough.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (c *committer) loop() {
	tick := time.NewTicker(c.ackWait / 4)
	defer tick.Stop()
	status := c.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer c.nc.RemoveStatusListener(status)
	for {
		var giveUp time.Time
		select {
		case <-c.ctx.Done():
			return
		case <-c.wake:
		case <-tick.C:
			giveUp = time.Now()
		case <-status:
			// Whatever was on its way when the connection broke is answered to
			// nobody.
			giveUp = time.Now().Add(c.ackWait)
		}
		c.round(giveUp)
	}
}

// round does what there is to do. A giveUp that is not zero is the time at which
// to give up what was sent a while before.
func (c *committer) round(giveUp time.Time) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if !giveUp.IsZero() {
		c.expire(giveUp)
	}
	c.retryRefused()
	c.dispatch()
}

// dispatch publishes what can be published now.
func (c *committer) dispatch() {
	c.mu.Lock()
	c.queue, c.spare = c.spare[:0], c.queue
	c.blocked = false
	c.mu.Unlock()
	c.pending = append(c.pending, c.spare...)
	clear(c.spare)
	done := 0
	for _, r := range c.pending {
		if !c.place(r) {
			break
		}
		done++
	}
	rest := copy(c.pending, c.pending[done:])
	clear(c.pending[rest:])
	c.pending = c.pending[:rest]
	c.commitIfStaged()
}

// place publishes r by itself or in a batch. It gives false if r has to wait for
// an answer to something else.
func (c *committer) place(r *request) bool {
	if r.state.Load() == givenUp {
		return true
	}
	if c.nc.Status() != nats.CONNECTED {
		c.notPublished(r, unavailable(errors.New("not connected to NATS")))
		return true
	}
	c.mu.Lock()
	singles, batches, batching := c.singles, c.batches, c.batching
	c.mu.Unlock()
	one := len(r.msgs) == 1
	replicated := c.replicated.Load()
	switch {
	case r.alone || r.first || replicated:
		limit := maxBatches
		if !replicated {
			// A batch alone is rare; let it pass the one that gathers.
			limit = 2 * maxBatches
		}
		if one && singles >= maxSingles || !one && batches >= limit {
			return c.wait()
		}
		if one {
			c.sendSingle(r)
		} else {
			c.sendWhole(r)
		}
		return true
	case c.open != nil && c.open.fits(r):
		c.add(r)
		return true
	}
	if c.open != nil {
		c.commit()
	}
	if one && !batching && singles < breakEven {
		c.sendSingle(r)
		return true
	}
	if batches >= maxBatches {
		return c.wait()
	}
	c.openBatch(r)
	return true
}

// wait has the next answer wake the loop. The answer may have come meanwhile;
// then there is one more round.
func (c *committer) wait() bool {
	c.mu.Lock()
	c.blocked = true
	if len(c.flights) == 0 {
		signal(c.wake)
	}
	c.mu.Unlock()
	return false
}

// notPublished ends a request that was not published now. One of which an earlier
// publication had no clear answer is looked for, as long as there is time.
func (c *committer) notPublished(r *request, err error) {
	if r.exposed {
		c.resolveLater(r, err)
		return
	}
	r.finish(0, err)
}

// notSent ends a request for good that was not published now. If an earlier publication
// had no clear answer, its outcome is not known.
func (r *request) notSent(err error) {
	if r.exposed {
		r.unknown(err)
		return
	}
	r.finish(0, err)
}

func (c *committer) close() {
	c.closeOnce.Do(func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.cancel()
		c.goroutines.Wait()
		// The connection may be closed already.
		_ = c.sub.Unsubscribe()
		c.turn.Lock()
		defer c.turn.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range append(c.pending, c.queue...) {
			r.notSent(ErrClosed)
		}
		c.pending, c.queue, c.open = nil, nil, nil // a caller may be about to dispatch
		for _, r := range c.unresolved {
			r.unknown(ErrClosed)
		}
		for _, f := range append(c.refused, flightsOf(c.flights)...) {
			for _, r := range f.requests {
				if f.mayBeStored() {
					r.unknown(ErrClosed)
				} else {
					r.notSent(ErrClosed)
				}
			}
		}
	})
}
