package projections

import (
	"errors"
	"fmt"
)

// ErrClosed is what everything answers once the store is closed.
var ErrClosed = errors.New("the projections store is closed")

// ErrUnknownType is what a projection's Apply returns for an event whose type it
// does not know. The event is counted ([Status.Unknown]) and passed over.
var ErrUnknownType = errors.New("the projection does not know this type of event")

// FatalError says that the store has failed and answers nothing any more.
type FatalError struct {
	Dir string
	// Err is the first failure.
	Err error
}

func (e *FatalError) Error() string {
	return fmt.Sprintf("the projections store in %s has failed and answers nothing any more: %v; "+
		"stop the node, see to the disk (space, health), and start it again; "+
		"if the store is damaged, delete that folder while the node is stopped: it is rebuilt from the ledger's events",
		e.Dir, e.Err)
}

func (e *FatalError) Unwrap() error { return e.Err }

// GapError says that a batch does not follow on what a projection has applied.
// Nothing of the batch was kept. The remedy is to follow anew from [Runner.From].
type GapError struct {
	Projection string
	// Want is the sequence that would have followed on, Got the one that came.
	Want, Got uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("projection %q expects the event at sequence %d next and was given %d: events are missing between; nothing was applied",
		e.Projection, e.Want, e.Got)
}

// NewerError says that the store was written by a newer build.
type NewerError struct {
	Dir string
	// What is newer: "layout", or "projection" and its name.
	What string
	// Stored is the version found, Known the newest that this build reads.
	Stored, Known uint32
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the projections store in %s was written by a newer build: its %s has version %d, this build knows %d; "+
		"nothing was changed; run the newer build, or delete that folder to have it rebuilt from the ledger's events",
		e.Dir, e.What, e.Stored, e.Known)
}

// EvidenceError says that the event now given at a sequence is not the one that was
// applied there before: the stream was altered or replaced.
type EvidenceError struct {
	Seq uint64
	// Applied and Given are the SHA-256 of the event's bytes, then and now.
	Applied, Given [32]byte
}

func (e *EvidenceError) Error() string {
	return fmt.Sprintf("the event at sequence %d is not the one that was applied there before (SHA-256 %x then, %x now): "+
		"the stream was altered or is another ledger's; nothing was applied; restore the stream that belongs to this data directory",
		e.Seq, e.Applied, e.Given)
}

// ForeignError says that the folder holds a Pebble database that is not a
// projections store.
type ForeignError struct{ Dir string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s holds a database that is no projections store; nothing was changed; give the node another data directory", e.Dir)
}
