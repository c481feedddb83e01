package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"
)

var (
	// ErrNoStream says that the stream [Stream] does not exist.
	ErrNoStream = errors.New("the stream " + Stream + " does not exist; the node creates it when it starts on an empty ledger")
	// ErrNotEmpty says that the stream has events already.
	ErrNotEmpty = errors.New("the stream " + Stream + " is not empty; nothing was stored")
	// ErrNotFound says that the stream has no event with the sequence.
	ErrNotFound = errors.New("no such event on the stream " + Stream)
	// ErrUnavailable says that the stream cannot be reached or does not take
	// events now: JetStream is off, its disk is full, there is no leader, or
	// there is no connection. Nothing was stored.
	ErrUnavailable = errors.New("the stream " + Stream + " is unavailable")
	// ErrClosed says that the store was closed. Nothing was stored.
	ErrClosed = errors.New("the event store is closed")
	// ErrReplaced says that the stream was deleted and made anew while it was
	// followed.
	ErrReplaced = errors.New("the stream " + Stream + " was deleted and made anew while it was followed; its events are not those of before")
	// ErrUnknownOutcome matches every [*UnknownOutcomeError].
	ErrUnknownOutcome = errors.New("it is not known whether the events were stored")
)

// UnknownOutcomeError says that events were sent, that no answer came, and that
// the stream could not be asked for them until the time ran out.
type UnknownOutcomeError struct {
	// IDs are those of the events, in their order.
	IDs []ulid.ULID
	// Cause is what went wrong last.
	Cause error
}

func (e *UnknownOutcomeError) Error() string {
	ids := make([]string, 0, 4)
	for i, id := range e.IDs {
		if i == 3 {
			ids = append(ids, fmt.Sprintf("and %d more", len(e.IDs)-i))
			break
		}
		ids = append(ids, id.String())
	}
	return fmt.Sprintf("%v (event %s): %v; look for them before you do it again", ErrUnknownOutcome, strings.Join(ids, ", "), e.Cause)
}

// There is no Unwrap: the cause may be an error that says that nothing was stored.

// Is reports that e is an ErrUnknownOutcome.
func (e *UnknownOutcomeError) Is(target error) bool { return target == ErrUnknownOutcome }

// StreamConfigError says that the stream exists, but that its configuration
// breaks what the ledger guarantees.
type StreamConfigError struct {
	// Problems names each setting that is wrong.
	Problems []string
}

func (e *StreamConfigError) Error() string {
	return fmt.Sprintf("the stream %s is not fit for a ledger: %s; it was left as it is: move it away, or give the ledger a NATS account of its own",
		Stream, strings.Join(e.Problems, "; "))
}

// GapError says that events are missing from the stream: deleted, lost by its
// server, or the stream was made anew.
type GapError struct {
	// Want is the sequence that should have come.
	Want uint64
	// Got is the next one there is; 0 if there is none.
	Got uint64
}

func (e *GapError) Error() string {
	if e.Got == 0 {
		return fmt.Sprintf("event %d is missing from the stream %s, and so is every later one", e.Want, Stream)
	}
	return fmt.Sprintf("events are missing from the stream %s: expected sequence %d, the next one is %d", Stream, e.Want, e.Got)
}

// RolledBackError says that the stream ends before an event that was seen on it.
type RolledBackError struct {
	// Seen is the sequence of the last event seen.
	Seen uint64
	// Last is the stream's last sequence now.
	Last uint64
}

func (e *RolledBackError) Error() string {
	return fmt.Sprintf("the stream %s ends at sequence %d, but event %d was seen on it: it lost events, or was restored from an older copy, or made anew",
		Stream, e.Last, e.Seen)
}

// DecodeError says that an event on the stream is none.
type DecodeError struct {
	// Seq is its sequence.
	Seq uint64
	Err error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("the event at sequence %d of the stream %s cannot be read: %v", e.Seq, Stream, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// Codes of JetStream that nats.go does not name.
const (
	codeUnavailable        jetstream.ErrorCode = 10008 // no leader
	codeClusterUnavailable jetstream.ErrorCode = 10009
	codeNoPeers            jetstream.ErrorCode = 10005
	codeNoResources        jetstream.ErrorCode = 10023
	codeStoreFailed        jetstream.ErrorCode = 10077
	codeNoReplicas         jetstream.ErrorCode = 10074 // a standalone server has none
	codeTooManyRequests    jetstream.ErrorCode = 10167
	codeBatchIncomplete    jetstream.ErrorCode = 10176
	codeDuplicateInProcess jetstream.ErrorCode = 10158 // of a single event
	codeBatchDuplicate     jetstream.ErrorCode = 10201
	codeBatchTooManyOpen   jetstream.ErrorCode = 10210
)

// unavailable puts ErrUnavailable around err.
func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// classify gives err the types of this package.
func classify(err error) error {
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return ErrNoStream
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return unavailable(errors.New("nobody answers: JetStream is off (its disk may be full) or the stream has no leader"))
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionDraining):
		return unavailable(fmt.Errorf("not connected to NATS: %w", err))
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return unavailable(fmt.Errorf("no answer in time: %w", err))
	case isAPI && passing(api):
		return unavailable(api)
	}
	return err
}

// passing reports refusals that may go away by themselves or by the operator's
// hand, and that are not the fault of what was asked.
func passing(api *jetstream.APIError) bool {
	switch api.ErrorCode {
	case jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount,
		codeUnavailable, codeClusterUnavailable, codeNoResources, codeTooManyRequests,
		codeBatchIncomplete, codeBatchTooManyOpen:
		return true
	}
	return api.Code >= 500 && api.ErrorCode != codeNoReplicas
}
