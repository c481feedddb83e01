package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
)

const (
	// MaxBatch bounds the events that Follow hands over at once.
	MaxBatch = 4096
	// decodeChunk is how many events are decoded before they are handed on.
	decodeChunk = 256
)

// Follow gives the events behind the sequence after to apply, in order, without a
// gap, each once, and goes on with new ones as they are stored. A batch is what
// waits, 1 to [MaxBatch] events. apply runs on the calling goroutine. It may keep
// the events and what they point to, but not the slice.
//
// Follow goes on by itself after the connection or the server was away. It
// returns ctx's error when ctx ends, apply's error, or: a [*GapError] (events are
// missing: whether in the middle, or at the end, which it finds when the stream is
// idle), a [*RolledBackError] (the stream ends before after, or before an event
// that was delivered), ErrReplaced, a [*DecodeError], ErrNoStream. What came before a missing
// or unreadable event has been applied then.
//
// What comes next is read and decoded while apply runs.
func (s *Store) Follow(ctx context.Context, after uint64, apply func([]events.Recorded) error) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{
		store:   s,
		decoded: newHandoff[events.Recorded](MaxBatch),
		chunk:   make([]events.Recorded, 0, decodeChunk),
	}
	f.seen.Store(after)
	var goroutines sync.WaitGroup
	goroutines.Go(func() { f.decoded.close(f.readOn(ctx)) })
	defer func() {
		cancel()
		f.decoded.close(context.Canceled)
		goroutines.Wait()
	}()
	// Wake who waits for events or for room.
	stop := context.AfterFunc(ctx, func() { f.decoded.close(ctx.Err()) })
	defer stop()

	var batch []events.Recorded
	for {
		var err error
		clear(batch)
		batch, err = f.decoded.take(batch)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("follow the stream: %w", err)
		}
		s.commits.raiseTip(batch[len(batch)-1].Seq)
		if err := apply(batch); err != nil {
			return err
		}
	}
}

// follower is one call of Follow.
type follower struct {
	store   *Store
	decoded *handoff[events.Recorded]
	seen    atomic.Uint64 // the last sequence that arrived
	created time.Time     // of the stream; readOn's goroutine only
	// restored is the last sequence of the restored run. It is set before the first
	// reading begins.
	restored uint64

	// Of the goroutine that a reading delivers on; one reading follows another.
	decoder events.Decoder
	chunk   []events.Recorded // decoded and not yet handed on
}

// decode takes in a message of the stream. It gives false when Follow is over.
// Decoding where messages come in saves a single event the way over one more
// goroutine, and costs a replay nothing: it is handed on in chunks.
func (f *follower) decode(d delivery) (more bool, err error) {
	e, err := f.decoder.Decode(d.msg.Data)
	if err == nil {
		err = checkSubject(d.msg.Subject, e)
	}
	if err != nil {
		return false, &DecodeError{Seq: d.seq, Err: err}
	}
	f.chunk = append(f.chunk, events.Recorded{
		Seq:      d.seq,
		Received: receivedAt(d.seq, d.msg.Header, time.Unix(0, d.received), f.restored),
		Subject:  d.msg.Subject,
		Raw:      d.msg.Data,
		Event:    e,
	})
	if len(f.chunk) == decodeChunk {
		return f.handOn(), nil
	}
	return true, nil
}

// handOn passes on what is decoded. It gives false when Follow is over.
func (f *follower) handOn() bool {
	if len(f.chunk) == 0 {
		return true
	}
	more := f.decoded.put(f.chunk...)
	clear(f.chunk)
	f.chunk = f.chunk[:0]
	return more
}

// readOn reads the stream until ctx ends or something is wrong with it, with as
// many consumers, one after another, as it takes.
func (f *follower) readOn(ctx context.Context) error {
	const shortest, longest = 50 * time.Millisecond, 2 * time.Second
	wait := shortest
	for {
		before := f.seen.Load()
		err := f.readOnce(ctx)
		f.handOn() // what came before the reading ended, however it did
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, ErrUnavailable):
			return err
		}
		if f.seen.Load() > before {
			wait = shortest
		}
		f.store.logger.Warn("lost touch with the stream; trying again", "after", f.seen.Load(), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, longest)
	}
}

// readOnce reads with one consumer. ErrUnavailable asks for another.
func (f *follower) readOnce(ctx context.Context) error {
	if err := f.checkEnd(ctx); err != nil {
		return err
	}
	status := f.store.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer f.store.nc.RemoveStatusListener(status)
	wrong := make(chan error, 1)
	r, err := f.startReading(ctx, wrong)
	if err != nil {
		return err
	}
	defer r.close()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	idleAt := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-wrong:
			return err
		case <-r.ended:
			select {
			case err := <-wrong:
				return err
			default:
			}
			return unavailable(errLost)
		case <-status:
			// The consumer may be gone with the server that had it.
			return unavailable(errors.New("the connection was made anew"))
		case now := <-tick.C:
			if r.silent(now) {
				return unavailable(errors.New("the server is silent"))
			}
			// Twice at the same place: it is time to see that nothing is
			// missing at the end.
			seen := f.seen.Load()
			if idle := seen == idleAt; idle {
				if err := f.checkEnd(ctx); err != nil && !errors.Is(err, ErrUnavailable) {
					return err
				}
			}
			idleAt = seen
		}
	}
}

func (f *follower) startReading(ctx context.Context, wrong chan<- error) (*reading, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	next := f.seen.Load() + 1
	from := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: next}
	broken := false
	return f.store.read(ctx, from, func(d delivery) {
		if broken {
			return
		}
		if d.seq != next {
			broken = true
			wrong <- &GapError{Want: next, Got: d.seq}
			return
		}
		more, err := f.decode(d)
		if err != nil {
			broken = true
			wrong <- err
			return
		}
		f.seen.Store(d.seq)
		next++
		broken = !more
	}, func() { f.handOn() })
}

// checkEnd asks the leader whether the stream is where this follower has seen it:
// the end may be missing, and then nothing arrives to show it.
func (f *follower) checkEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	seen := f.seen.Load()
	st, err := f.store.State(ctx)
	switch {
	case err != nil:
		return err
	case st.Last < seen:
		return &RolledBackError{Seen: seen, Last: st.Last}
	case !f.created.IsZero() && !st.Created.Equal(f.created):
		return ErrReplaced
	}
	if f.created.IsZero() {
		f.created, f.restored = st.Created, st.Restored
	}
	if st.Last == seen {
		return nil
	}
	// There is more. It may arrive just now, unless the next one is missing.
	next, err := f.store.nextFrom(ctx, seen+1)
	switch {
	case errors.Is(err, ErrNotFound):
		return &GapError{Want: seen + 1}
	case err != nil:
		return err
	case next != seen+1:
		return &GapError{Want: seen + 1, Got: next}
	}
	return nil
}
