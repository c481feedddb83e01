package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

const (
	// MaxEvents bounds the events of one Append: an atomic batch holds no more.
	MaxEvents = 1000
	// maxHeader is more than the headers of a message need.
	maxHeader = 1 << 10
	// maxMessage is the largest message that can occur.
	maxMessage = events.MaxSize + maxHeader
)

// Append stores the events, all or none, one after another on the stream without
// another caller's between them, and gives the sequence of the last: that of the
// i-th of n, from 0, is last-n+1+i. When it returns without an error they are
// durable (see the package's documentation).
//
// An append is known by the id of its first event: the same events appended again,
// together and in that order, while the stream's duplicates window (30 s) lasts,
// are given their sequence and are not stored again. They must not be appended in
// other company.
//
// An error that is no ErrUnknownOutcome means that nothing was stored: an event
// is wrong ([*events.FieldError]), there are none or more than [MaxEvents],
// ErrUnavailable, ErrNoStream, ErrClosed, or ctx ended before they were sent.
func (s *Store) Append(ctx context.Context, evs ...events.Event) (last uint64, err error) {
	r, err := s.newRequest(evs)
	if err != nil {
		return 0, fmt.Errorf("append to the stream: %w", err)
	}
	last, err = s.commits.do(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("append to the stream: %w", err)
	}
	return last, nil
}

// AppendFirst stores the events, all or none, as the first of the stream:
// sequences 1 to n. Of several callers, in whatever process, one succeeds; the
// others get ErrNotEmpty. A stream that was just made on a cluster is not known to
// each of its servers at once: while it is unavailable AppendFirst tries again,
// until ctx ends (30 s if it has no deadline). Errors otherwise are those of Append.
func (s *Store) AppendFirst(ctx context.Context, evs ...events.Event) error {
	err := untilAvailable(ctx, func(ctx context.Context) error {
		r, err := s.newRequest(evs)
		if err != nil {
			return err
		}
		r.first = true
		// Of a batch, only the first message may bear an expectation; it holds for all.
		r.msgs[0].Header[jetstream.ExpectedLastSeqHeader] = []string{"0"}
		_, err = s.commits.do(ctx, r)
		return err
	})
	if err != nil {
		return fmt.Errorf("append the first events: %w", err)
	}
	return nil
}

// request is the events of one caller on their way to the stream.
type request struct {
	msgs  []*nats.Msg
	ids   []ulid.ULID
	bytes int
	// first: they must become the stream's first.
	first bool
	// done receives the outcome, once.
	done  chan outcome
	state atomic.Int32 // one of the states below

	// What follows belongs to the goroutine that has the request in hand: the
	// committer, then the resolver.

	// alone: not to share a batch, because one that it shared was refused.
	alone bool
	// duplicate: the server knows its id.
	duplicate bool
	// base is a sequence that the stream had reached before the first
	// publication: what was published lies behind it.
	base uint64
	// sent is when it was first published; zero before.
	sent time.Time
	// exposed: a publication of it had no clear answer. It may be stored.
	exposed bool
	// cause is what went wrong last.
	cause error
}

const (
	queued  int32 = iota // the caller may still take it back
	sending              // it may be on the stream
	givenUp              // the caller is gone: nothing more is to be published
)

type outcome struct {
	last uint64
	err  error
}

func (r *request) finish(last uint64, err error) {
	select {
	case r.done <- outcome{last, err}:
	default: // it has one; the first holds
	}
}

// unknown ends a request whose outcome could not be found.
func (r *request) unknown(cause error) {
	r.finish(0, &UnknownOutcomeError{IDs: r.ids, Cause: cause})
}

// newRequest encodes the events, so that a bad one meets its own caller only.
func (s *Store) newRequest(evs []events.Event) (*request, error) {
	if len(evs) == 0 {
		return nil, errors.New("there are no events")
	}
	if len(evs) > MaxEvents {
		return nil, fmt.Errorf("%d events are more than the %d that can be stored at once", len(evs), MaxEvents)
	}
	r := &request{
		msgs: make([]*nats.Msg, len(evs)),
		ids:  make([]ulid.ULID, len(evs)),
		done: make(chan outcome, 1),
	}
	limit := s.nc.MaxPayload()
	for i := range evs {
		raw, err := events.Encode(evs[i])
		if err != nil {
			return nil, err
		}
		subject := events.StreamSubject(evs[i])
		if !validSubject(subject) {
			return nil, fmt.Errorf("the type %q makes no NATS subject", evs[i].Data.Type())
		}
		if limit > 0 && int64(len(raw)+maxHeader) > limit {
			return nil, fmt.Errorf("an event of %d bytes is more than the NATS server takes (max_payload %d)", len(raw), limit)
		}
		for _, id := range r.ids[:i] {
			if id == evs[i].ID {
				return nil, fmt.Errorf("two events have the id %s", id)
			}
		}
		r.ids[i] = evs[i].ID
		r.bytes += len(raw) + len(subject)
		r.msgs[i] = &nats.Msg{Subject: subject, Data: raw, Header: nats.Header{"Content-Type": {events.ContentType}}}
	}
	// The server keeps every id in memory while the duplicates window lasts, some 170
	// bytes each. All are stored or none, so one tells all: with an id for each of
	// the uses of a busy node, those of 30 s took 65 MB.
	r.msgs[0].Header[jetstream.MsgIDHeader] = []string{evs[0].ID.String()}
	return r, nil
}

// validSubject reports whether s is ledger.<tenant>.<kind> and safe to publish on.
// The tenant was checked when the event was encoded; a kind can be anything,
// because events of unknown types are passed on.
func validSubject(s string) bool {
	kind := s[strings.LastIndexByte(s, '.')+1:]
	if kind == "" || strings.Count(s, ".") != 2 {
		return false
	}
	for i := range len(kind) {
		c := kind[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
