package index

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// Run opens the index, has it follow the log until ctx ends, and closes it. It is
// called once. It gives nil when ctx has ended, and otherwise the
// [*UnavailableError] that everybody who asks is given from then on: no reason to stop
// the node.
func (x *Index) Run(ctx context.Context) error {
	f := follower{Index: x}
	err := f.open()
	if err == nil {
		err = f.follow(ctx)
	}
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		err = x.end(x.unavailable(err))
		x.cfg.Logger.Error("the index over the audit log has stopped", "error", err)
	} else {
		_ = x.end(ErrClosed)
	}
	if f.store != nil {
		if cerr := f.store.Close(); err == nil && cerr != nil {
			err = x.unavailable(cerr)
		}
	}
	return err
}

// follower is what Run works with.
type follower struct {
	*Index
	store   *projections.Runner
	writer  writer
	decoder events.Decoder
	batch   []events.Recorded
	terms   []term
}

func (f *follower) follow(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		start := time.Now()
		n, err := f.advance()
		if err != nil {
			return err
		}
		if n > 0 {
			// Catching up takes a core for minutes: every run leaves it to others
			// for a while.
			if n == f.cfg.Block {
				pause(ctx, time.Since(start)/8)
			}
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		select {
		case <-look.C:
		case <-f.kick:
		case <-ctx.Done():
			return nil
		}
		if err := f.Err(); err != nil {
			return err // the store has failed meanwhile
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// advance takes in leaves up to the end of a block, and reports how many.
func (f *follower) advance() (n int, err error) {
	first := f.Indexed() + 1
	room := f.cfg.Block - len(f.tail) // which only this goroutine changes
	last := min(f.cfg.Log.Size(), first+uint64(max(room, 0))-1)
	if last >= first {
		if err := f.read(first, last); err != nil {
			return 0, err
		}
		n = int(last - first + 1)
	}
	if len(f.tail) >= f.cfg.Block {
		err = f.flush()
	}
	return n, err
}

// read takes leaves into the tail.
func (f *follower) read(first, last uint64) error {
	entries := make([]entry, 0, last-first+1)
	// The terms of a run lie in memory together.
	f.terms = make([]term, 0, termsEach*(last-first+1))
	err := f.cfg.Log.Leaves(first, last, func(seq uint64, leaf []byte) error {
		r, err := audit.Decode(&f.decoder, seq, leaf)
		if err != nil {
			return err
		}
		var e entry
		e, f.terms = entryOf(&r, f.terms)
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return err
	}
	if uint64(len(entries)) != last-first+1 {
		return &audit.NotYetError{Seq: last, Size: f.cfg.Log.Size()}
	}
	f.change(func() { f.tail = append(f.tail, entries...) })
	return nil
}

// flush writes the tail as a block.
func (f *follower) flush() error {
	first, entries := f.stored+1, f.tail
	last := f.stored + uint64(len(entries))
	hash, err := hashAt(f.cfg.Log, last)
	if err != nil {
		return err
	}
	f.batch = f.batch[:0]
	for seq := first; seq <= last; seq++ {
		f.batch = append(f.batch, events.Recorded{Seq: seq})
	}
	// The store keeps, with the position, a hash of what it was given last: so it is
	// known on the next start whether the log is still the same.
	f.batch[len(f.batch)-1].Raw = hash
	f.writer.take(first, entries)
	if err := f.store.Apply(f.batch); err != nil {
		return err
	}
	f.change(func() { f.stored, f.tail = last, nil })
	return nil
}

// hashAt gives the leaf hash of a sequence.
func hashAt(log Log, seq uint64) ([]byte, error) {
	leaf, err := log.Leaf(seq)
	if err != nil {
		return nil, err
	}
	h := tlog.RecordHash(leaf)
	return h[:], nil
}

// failed is called by the store.
func (x *Index) failed(err error) {
	_ = x.end(x.unavailable(err))
	x.rouse()
}

// termsEach is how many terms most events have at the most.
const termsEach = 7
