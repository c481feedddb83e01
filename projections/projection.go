package projections

import "github.com/tokenledger/tokenledger/events"

// Projection folds events into rows of its own.
//
// Apply is called by one goroutine at a time, in the order of the stream, each
// event once. What it returns other than nil and [ErrUnknownType] makes the whole
// batch fail.
type Projection interface {
	// Name is stable and unique: it is the name of the projection's key space.
	// [a-z][a-z0-9_]*.
	Name() string
	// Version grows with every change to the rows or to what they mean. The rows
	// of an older version are deleted and built anew.
	Version() uint32
	Apply(w *Writer, r events.Recorded) error
}

// Stateful is a [Projection] that keeps something in memory: a cache, an overlay of
// the batch it is in, counters.
type Stateful interface {
	Projection
	// Load is called before the first Apply, and again whenever the rows were
	// deleted for a rebuild. It (re)builds from rows what is kept in memory. The
	// view stays valid, also for concurrent readers, until the store is closed.
	Load(v *View) error
	// Flush is called after the last event of a batch and writes what Apply held
	// back.
	Flush(w *Writer) error
	// Committed is called once the batch can be read, and before [Runner.Applied]
	// moves past it. Here cached rows are dropped or replaced.
	Committed()
	// Discarded is called instead of Committed when the batch was given up, also one
	// that had no event for this projection. Nothing of it is in the store.
	Discarded()
	// Closed is called once, after the store was closed. The view answers
	// [ErrClosed] from then on.
	Closed()
}

// Merging is a [Projection] that uses [Writer.Merge].
type Merging interface {
	Projection
	// MergeValues appends to dst the value that stands for older and newer
	// together. It must be associative, and it must not fail on a value that an
	// earlier version wrote. It is called from several goroutines.
	MergeValues(dst, older, newer []byte) ([]byte, error)
}

func validName(s string) bool {
	if s == "" || len(s) > 32 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
