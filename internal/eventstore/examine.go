package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
)

// Stored is a message as it lies on the stream. It may be no event.
type Stored struct {
	Seq      uint64
	Received time.Time
	Subject  string
	Raw      []byte
}

// Event decodes the message as an event, An error says
// that Follow would end at it.
func (m Stored) Event(d *events.Decoder) (events.Event, error) {
	e, err := d.Decode(m.Raw)
	if err == nil {
		err = checkSubject(m.Subject, e)
	}
	if err != nil {
		return e, &DecodeError{Seq: m.Seq, Err: err}
	}
	return e, nil
}

// Findings is what takes in what [Store.Examine] finds, in the order of the stream.
type Findings struct {
	// Message gets each message that can be read. It may keep it.
	Message func(Stored) error
	// Lost gets the sequences that have none. It may be nil.
	Lost func(first, last uint64) error
}

// Examine reads the stream from first to last, which should not lie behind its end, as
// far as it can be read: it stops at nothing that is missing or damaged. An error of a
// finding's function ends it. Other errors: ctx's, ErrUnavailable, ErrNoStream.
func (s *Store) Examine(ctx context.Context, first, last uint64, to Findings) error {
	restored, err := s.restoredLast(ctx)
	if err != nil {
		return fmt.Errorf("examine the stream: %w", err)
	}
	x := &examination{store: s, to: to, last: last, restored: restored}
	x.next.Store(max(first, 1))
	idle := 0
	for x.next.Load() <= last {
		before := x.next.Load()
		if err = x.read(ctx); err == nil {
			err = x.step(ctx)
		}
		if x.next.Load() > before {
			idle = 0
		}
		if errors.Is(err, ErrUnavailable) && idle < 20 {
			if idle++; idle > 1 {
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
			err = nil
		}
		if x.err != nil {
			return x.err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("examine the stream: %w", err)
		}
	}
	return nil
}

// examination is one call of Examine. A reading delivers until it stops at a message
// that the server cannot read: a consumer waits there for ever. Then the messages are
// asked for one by one until one can be read, and another reading begins behind it.
type examination struct {
	store    *Store
	to       Findings
	last     uint64
	restored uint64

	next atomic.Uint64 // nothing before it is open
	err  error         // of a finding's function
}

// found hands on a message, and before it what is missing.
func (x *examination) found(m Stored) bool {
	if !x.lost(m.Seq) {
		return false
	}
	if x.err = x.to.Message(m); x.err != nil {
		return false
	}
	x.next.Store(m.Seq + 1)
	return true
}

// lost hands on that there is nothing from next up to a sequence, without it.
func (x *examination) lost(upTo uint64) bool {
	if next := x.next.Load(); next < upTo && x.to.Lost != nil {
		if x.err = x.to.Lost(next, upTo-1); x.err != nil {
			return false
		}
	}
	x.next.Store(upTo)
	return true
}

// read reads until the end, or until nothing comes any more.
func (x *examination) read(ctx context.Context) error {
	// A consumer is not worth its while for a few.
	if x.last-x.next.Load() < 4 {
		return nil
	}
	start, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	over, done := false, make(chan struct{})
	end := func() {
		if !over {
			over = true
			close(done)
		}
	}
	from := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: x.next.Load()}
	r, err := x.store.read(start, from, func(d delivery) {
		switch {
		case over || ctx.Err() != nil:
			end()
		case d.seq > x.last:
			x.lost(x.last + 1)
			end()
		default:
			received := receivedAt(d.seq, d.msg.Header, time.Unix(0, d.received), x.restored)
			if !x.found(Stored{d.seq, received, d.msg.Subject, d.msg.Data}) || d.seq == x.last {
				end()
			}
		}
	}, func() {})
	if err != nil {
		return err
	}
	defer r.close() // nothing is delivered afterwards
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for seen := uint64(0); ; {
		select {
		case <-done:
			return nil
		case <-r.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			next := x.next.Load()
			if next == seen && r.busy.TryLock() { // not while a message is in hand
				r.busy.Unlock()
				return nil
			}
			seen = next
		}
	}
}

const (
	// oneByOne is how many lost messages are asked for before strides are taken.
	oneByOne = 16
	// stride is how far apart messages are asked for then, at the most.
	stride = 256
)

// step looks for the next message that can be read, and hands it on. The server reads a
// damaged block anew for each message that is asked for, which takes it 5 ms or 30, and
// a block has thousands: behind a few that are lost it takes strides, and then goes back
// by halves. So fewer than [stride] messages that can be read, between many that cannot,
// may count as lost.
func (x *examination) step(ctx context.Context) error {
	from := x.next.Load()
	lost := from - 1 // the last that is known to be
	for seq := from; seq <= x.last && ctx.Err() == nil; {
		m, err := x.store.message(ctx, seq)
		switch {
		case err == nil:
			return x.first(ctx, lost, m)
		case !errors.Is(err, ErrNotFound):
			return err
		case seq == x.last:
			x.lost(x.last + 1)
			return nil
		}
		lost = seq
		far := uint64(1)
		if gone := seq - from + 1; gone >= oneByOne {
			far = min(gone, stride)
		}
		seq = min(seq+far, x.last)
	}
	return ctx.Err()
}

// first hands on the first message that can be read behind one that is lost; m is one
// further on.
func (x *examination) first(ctx context.Context, lost uint64, m Stored) error {
	for m.Seq-lost > 1 && ctx.Err() == nil {
		mid, err := x.store.message(ctx, lost+(m.Seq-lost)/2)
		switch {
		case err == nil:
			m = mid
		case errors.Is(err, ErrNotFound):
			lost += (m.Seq - lost) / 2
		default:
			return err
		}
	}
	x.found(m)
	return ctx.Err()
}
