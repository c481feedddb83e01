package index

import (
	"errors"
	"fmt"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/projections"
)

// ErrClosed is the answer of an index whose Run has ended.
var ErrClosed = errors.New("the index over the audit log is closed")

// UnavailableError says that the index has stopped and why. The log, and all else,
// goes on without it.
type UnavailableError struct {
	// Dir is the index's folder.
	Dir string
	Err error
}

func (e *UnavailableError) Error() string {
	if _, ok := errors.AsType[*audit.CorruptError](e.Err); ok {
		// To build it anew would lead to the same place.
		return fmt.Sprintf("the index over the audit log is not available, because the log itself was altered or damaged: %v; verify the log", e.Err)
	}
	return fmt.Sprintf("the index over the audit log is not available: %v; nothing is lost: see to the disk, stop the node, delete the folder %s to have it built anew, and start the node again", e.Err, e.Dir)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// BehindError says that the index, or the log, did not get as far as was asked for
// while the asker waited.
type BehindError struct {
	// Indexed is how far the index is, Want how far it has to be.
	Indexed, Want uint64
	// Err is why the wait ended.
	Err error
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("the index over the audit log has read %d of %d events so far: ask again later (%v)", e.Indexed, e.Want, e.Err)
}

func (e *BehindError) Unwrap() error { return e.Err }

// errRow says that a stored row is not one.
var errRow = errors.New("a stored row is damaged")

func (x *Index) unavailable(err error) error {
	if u, ok := errors.AsType[*UnavailableError](err); ok {
		return u
	}
	// The store gives advice of its own, which is for the node's read model.
	if fatal, ok := errors.AsType[*projections.FatalError](err); ok {
		err = fatal.Err
	}
	return &UnavailableError{Dir: x.cfg.Dir, Err: err}
}
