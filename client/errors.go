package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// Error is a refusal: the node answered, with a status that is not a success.
// Unless Problem.Detail says otherwise nothing was changed.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Problem is the answer's body. Where the answer was no problem document (a
	// proxy's error page), Code is "" and Title, Detail and Hint are the client's.
	Problem api.Problem
	// RetryAfter is how long the node asks to wait, 0 if it does not say.
	RetryAfter time.Duration
}

// Error gives what happened, what to do and the request id, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Problem.Detail != "":
		b.WriteString(e.Problem.Detail)
	case e.Problem.Title != "":
		b.WriteString(e.Problem.Title)
	default:
		b.WriteString(http.StatusText(e.Status))
	}
	fmt.Fprintf(&b, " (%d", e.Status)
	if e.Problem.Code != "" {
		b.WriteString(" " + e.Problem.Code)
	}
	if e.Problem.RequestID != "" {
		b.WriteString(", request " + e.Problem.RequestID)
	}
	b.WriteString(")")
	if e.Problem.Hint != "" {
		b.WriteString("; " + e.Problem.Hint)
	}
	return b.String()
}

// UnreachableError says that no answer came: nothing listens there, the name is
// not known, the connection broke or the time ran out.
type UnreachableError struct {
	// URL is where it was tried, without a query.
	URL string
	// Unknown is set when a write had been sent: it may have taken effect.
	Unknown bool
	// Err is the cause.
	Err error
}

// Error gives where it was tried, why it failed and what to do, in one line.
func (e *UnreachableError) Error() string {
	if hint := e.Hint(); hint != "" {
		return e.What() + "; " + hint
	}
	return e.What()
}

// What says what happened, without advice.
func (e *UnreachableError) What() string {
	what := fmt.Sprintf("no answer from %s: %v", e.URL, e.Err)
	if errors.Is(e.Err, syscall.ECONNREFUSED) {
		what = fmt.Sprintf("cannot reach %s: connection refused", e.URL)
	} else if errors.Is(e.Err, context.DeadlineExceeded) {
		what = fmt.Sprintf("no answer from %s in the time allowed", e.URL)
	} else if errors.Is(e.Err, context.Canceled) {
		what = fmt.Sprintf("the call to %s was broken off before its answer", e.URL)
	}
	if e.Unknown {
		what += "; whether it took effect is not known"
	}
	return what
}

// Hint says what to do, "" where there is nothing to say.
func (e *UnreachableError) Hint() string {
	switch {
	case e.Unknown:
		return "look the token up, or make the same call again with the same Idempotency-Key"
	case errors.Is(e.Err, context.Canceled):
		return ""
	case errors.Is(e.Err, context.DeadlineExceeded):
		return "see whether the node is ready (GET /readyz), or allow more time"
	}
	return "is tokenledger serve running there? Set TOKENLEDGER_URL if it is elsewhere"
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// AnswerError says that an answer of success came which could not be read to its
// end or is not what a ledger answers. A write that a ledger answered so took
// effect.
type AnswerError struct {
	// URL is where the answer came from, without a query.
	URL string
	// Status is the HTTP status, 200 to 299.
	Status int
	// Seq is Ledger-Seq where the answer had it, else 0.
	Seq uint64
	// Err is the cause.
	Err error
}

// Error gives where the answer came from and what is wrong with it.
func (e *AnswerError) Error() string {
	what := fmt.Sprintf("cannot use the answer %d of %s: %v", e.Status, e.URL, e.Err)
	if e.Seq != 0 {
		return what + fmt.Sprintf("; the write took effect, at sequence %d", e.Seq)
	}
	return what
}

// Unwrap gives the cause.
func (e *AnswerError) Unwrap() error { return e.Err }

// ArgumentError says that a call was not made because of what it was given. It
// never repeats the value, which may be a token in the wrong place.
type ArgumentError struct {
	// Name is the argument.
	Name string
	// Problem goes on from the name: "is empty".
	Problem string
}

func (e *ArgumentError) Error() string { return e.Name + " " + e.Problem }

// errNotLedger is the cause of an [AnswerError] for what is no ledger's answer.
var errNotLedger = errors.New("it is not a ledger's JSON; is the URL that of a tokenledger node?")
