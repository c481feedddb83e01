package verify

import (
	"fmt"
	"net/http"
)

// Error says that the log is not what its key has signed, and names the first place.
type Error struct {
	// File is the name within the log.
	File string
	// Seq is the sequence of the first entry that is bad, 0 if it is not one entry.
	Seq uint64
	// Problem says what is wrong with it.
	Problem string
	// Hint says what to do.
	Hint string
	// Evidence is the file that holds what proves it, "" if there is none.
	Evidence string
}

func (e *Error) Error() string { return e.File + ": " + e.Problem }

// bad makes an Error of a file.
func bad(file, hint, format string, args ...any) *Error {
	return &Error{File: file, Problem: fmt.Sprintf(format, args...), Hint: hint}
}

// at names the entry.
func (e *Error) at(seq uint64) *Error {
	e.Seq = seq
	return e
}

// What to do about it.
const (
	hintKeep    = "keep the log as it is, as evidence, and compare it with a backup or an export"
	hintRestore = "put the file back from a backup; a file that is whole there and damaged here points to the disk"
	hintPartial = "copy or export the log again; if it is incomplete where it comes from, put it back from a backup"
	hintKey     = "is this the log, and is this its key? Compare it with the one that was written down when the ledger was created"
)

// NoLogError says that there is no audit log at a place.
type NoLogError struct {
	Path    string
	Problem string
	Err     error
}

func (e *NoLogError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Problem, e.Err)
	}
	return fmt.Sprintf("%s %s", e.Path, e.Problem)
}

func (e *NoLogError) Unwrap() error { return e.Err }

// KeyError says that a verifier key is none.
type KeyError struct{ Err error }

func (e *KeyError) Error() string {
	return fmt.Sprintf("this is no verifier key, which looks like origin+hash+key: %v", e.Err)
}

func (e *KeyError) Unwrap() error { return e.Err }

// UnreachableError says that a server gave no answer.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("cannot get %s: %v", e.URL, e.Err) }

func (e *UnreachableError) Unwrap() error { return e.Err }

// StatusError says that a server answered with something else than the file.
type StatusError struct {
	URL    string
	Status int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("cannot get %s: the server answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
}
