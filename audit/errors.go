package audit

import (
	"errors"
	"fmt"
)

// CorruptError says that what lies on the disk is not what the log wrote there, and
// that no crash explains it. Nothing was changed.
type CorruptError struct {
	// File is the name in the log's directory.
	File string
	// Problem says what is wrong with it.
	Problem string
	// Cause is the error behind it, if there is one.
	Cause error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("audit log: %s %s", e.File, e.Problem) }

func (e *CorruptError) Unwrap() error { return e.Cause }

func corrupt(file string, format string, args ...any) error {
	return &CorruptError{File: file, Problem: fmt.Sprintf(format, args...)}
}

// LeafError says that an event cannot be a leaf of the log.
type LeafError struct {
	Seq uint64
	Err error
}

func (e *LeafError) Error() string {
	return fmt.Sprintf("the event at sequence %d cannot be an entry of the audit log: %v", e.Seq, e.Err)
}

func (e *LeafError) Unwrap() error { return e.Err }

// NotYetError says that the log has no such entry.
type NotYetError struct{ Seq, Size uint64 }

func (e *NotYetError) Error() string {
	return fmt.Sprintf("the audit log has no entry for sequence %d: it has %d", e.Seq, e.Size)
}

// OfSize says it where a number of entries was asked for.
func (e *NotYetError) OfSize() string {
	return fmt.Sprintf("the audit log has %d entries, and not %d yet", e.Size, e.Seq)
}

// FatalError says that the log has stopped: a write or a sync failed. What was
// committed before stays; what was appended since is on the stream still.
type FatalError struct{ Err error }

func (e *FatalError) Error() string {
	return fmt.Sprintf("the audit log cannot be written: %v; see to the disk of the data directory, then start the node again (nothing that was committed is lost)", e.Err)
}

func (e *FatalError) Unwrap() error { return e.Err }

// ErrClosed is the answer of a log that was closed.
var ErrClosed = errors.New("the audit log is closed")
