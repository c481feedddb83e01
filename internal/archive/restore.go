package archive

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
)

// Following says how a damaged stream goes on behind what the archive has.
type Following struct {
	// Last is the last event that follows on the archive without a gap, each of them
	// readable. It is the archive's size where none does.
	Last uint64
	// Left counts the sequences behind Last: they are lost, or cannot be placed.
	Left uint64
	// Why says what ends the run; empty where nothing is left.
	Why string
}

// errFull ends an examination that has seen enough.
var errFull = errors.New("this is enough")

// Follows looks which events of the old stream can be put behind those of the archive.
// They follow on it only if the old stream has the archive's last event, or has lost
// that; behind another event there is another history.
func Follows(ctx context.Context, old *eventstore.Store, r *audit.Reader) (Following, error) {
	f, err := follows(ctx, old, r, &audit.Tree{})
	if err != nil {
		return f, fmt.Errorf("look for events behind the archive: %w", err)
	}
	return f, nil
}

// follows is Follows, and adds the events' leaves to t.
func follows(ctx context.Context, old *eventstore.Store, r *audit.Reader, t *audit.Tree) (Following, error) {
	size := r.Size()
	f := Following{Last: size}
	st, err := old.State(ctx)
	if errors.Is(err, eventstore.ErrNoStream) || err == nil && st.Last <= size {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	var hash audit.Hasher
	if size > 0 {
		err := old.Examine(ctx, size, size, eventstore.Findings{Message: func(m eventstore.Stored) error {
			want, err := r.LeafHash(size)
			if err != nil {
				return err
			}
			if leaf, err := layout.AppendLeaf(nil, leafOf(m)); err != nil || hash.Sum(leaf) != want {
				f.Why = fmt.Sprintf("the stream's event at sequence %d is not the archive's: what follows it there is another history", size)
			}
			return nil
		}})
		if err != nil {
			return f, err
		}
	}
	if f.Why == "" {
		var decoder events.Decoder
		err = old.Examine(ctx, size+1, st.Last, eventstore.Findings{
			Message: func(m eventstore.Stored) error {
				if !isEvent(&decoder, m) {
					f.Why = fmt.Sprintf("what lies at sequence %d is no event", m.Seq)
					return errFull
				}
				leaf, err := layout.AppendLeaf(nil, leafOf(m))
				if err != nil {
					return err
				}
				t.Push(hash.Sum(leaf), nil)
				f.Last = m.Seq
				return nil
			},
			Lost: func(first, _ uint64) error {
				f.Why = fmt.Sprintf("the event at sequence %d is lost", first)
				return errFull
			},
		})
		if err != nil && !errors.Is(err, errFull) {
			return f, err
		}
	}
	f.Left = st.Last - f.Last
	return f, nil
}

// Source is what a stream is restored from.
type Source struct {
	Archive *audit.Reader
	// Checkpoint, unless of no entries, is one that the archive must agree with.
	Checkpoint tlog.Tree
	// Old, if set, is the damaged stream: its events that follow on the archive are
	// restored behind it.
	Old      *eventstore.Store
	Progress Progress
}

// Outcome says what was restored.
type Outcome struct {
	// Archived and Followed count events, from the archive and behind it.
	Archived, Followed uint64
	// Following says what of the old stream was left.
	Following Following
}

// Restore makes the stream of to, which must not exist or be empty, from an archive. It
// publishes nothing unless the archive is whole. After an error the stream, if there is
// one, is not to be used: delete it, and restore again.
//
// Errors: those of [Check], [eventstore.ErrNotEmpty], those of the event store.
func Restore(ctx context.Context, from Source, to *eventstore.Store) (Outcome, error) {
	r := from.Archive
	var done Outcome
	t, err := check(ctx, r, from.Checkpoint, from.Progress)
	if err != nil {
		return done, err
	}
	size := t.Size()
	done.Following.Last = size
	if from.Old != nil {
		if done.Following, err = follows(ctx, from.Old, r, t); err != nil {
			return done, fmt.Errorf("read the old stream behind the archive: %w", err)
		}
	}
	last := done.Following.Last
	stream, err := to.CreateRestored(ctx, last)
	if err != nil {
		return done, err
	}
	w := &restoring{to: stream, last: last, progress: from.Progress}
	err = Leaves(ctx, r, 1, size, func(seq uint64, leaf []byte, _ tlog.Hash) error {
		l, err := layout.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		return w.add(ctx, events.Recorded{Seq: seq, Received: l.Received, Subject: l.Subject, Raw: l.Event})
	})
	if err == nil && last > size {
		err = from.Old.Examine(ctx, size+1, last, eventstore.Findings{Message: func(m eventstore.Stored) error {
			return w.add(ctx, events.Recorded{Seq: m.Seq, Received: m.Received, Subject: m.Subject, Raw: m.Raw})
		}})
	}
	if err == nil {
		err = w.flush(ctx)
	}
	if err == nil && !stream.Done() {
		err = fmt.Errorf("restore the stream: it was made for %d events and not all of them came", last)
	}
	if err != nil {
		return done, err
	}
	done.Archived, done.Followed = size, last-size
	return done, confirm(ctx, to, t, from.Progress)
}

// restoring gathers events for the stream.
type restoring struct {
	to       *eventstore.Restoring
	batch    []events.Recorded
	last     uint64
	progress Progress
}

func (w *restoring) add(ctx context.Context, e events.Recorded) error {
	w.batch = append(w.batch, e)
	if len(w.batch) < eventstore.MaxEvents {
		return nil
	}
	return w.flush(ctx)
}

func (w *restoring) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	if err := w.to.Append(ctx, w.batch); err != nil {
		return err
	}
	w.progress.tell("restoring the stream", w.batch[len(w.batch)-1].Seq, w.last)
	w.batch = w.batch[:0]
	return nil
}

// confirm reads the restored stream back. It must agree with the archive, and make the
// tree that was read before.
func confirm(ctx context.Context, to *eventstore.Store, want *audit.Tree, progress Progress) error {
	t := &audit.Tree{}
	var hash audit.Hasher
	var leaf []byte
	err := to.Examine(ctx, 1, want.Size(), eventstore.Findings{
		Message: func(m eventstore.Stored) (err error) {
			if leaf, err = layout.AppendLeaf(leaf[:0], leafOf(m)); err != nil {
				return err
			}
			t.Push(hash.Sum(leaf), nil)
			if seq := m.Seq; seq%often == 0 || seq == want.Size() {
				progress.tell("reading the restored stream back", seq, want.Size())
			}
			return nil
		},
		Lost: func(first, _ uint64) error { return fmt.Errorf("the event at sequence %d is missing", first) },
	})
	if err == nil && t.Root() != want.Root() {
		err = fmt.Errorf("its root is %s, and the archive's is %s", t.Root(), want.Root())
	}
	if err == nil {
		var st eventstore.State
		if st, err = to.State(ctx); err == nil && st.Last != want.Size() {
			err = fmt.Errorf("it has %d events, and %d were restored", st.Last, want.Size())
		}
	}
	if err != nil {
		return fmt.Errorf("the restored stream does not agree with the archive: %w; delete it and restore it again", err)
	}
	return nil
}
