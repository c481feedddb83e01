package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Past gives single events of the stream.
type Past interface {
	Get(ctx context.Context, seq uint64) (events.Recorded, error)
}

// State is the read side as commands and queries see it: the token projection,
// the position that it stands at, and the stream for what lies further back.
type State struct {
	*tokens.Reader
	Runner *projections.Runner
	Past   Past
}

// Applied implements [commands.State].
func (s *State) Applied() uint64 { return s.Runner.Applied() }

// WaitFor implements [commands.State].
func (s *State) WaitFor(ctx context.Context, seq uint64) error { return s.Runner.WaitFor(ctx, seq) }

// List implements [commands.State].
func (s *State) List(q tokens.Query) (tokens.Page, error) {
	page, err := s.Reader.List(q)
	if _, ok := errors.AsType[*tokens.CursorError](err); ok {
		return page, &commands.Error{Kind: commands.Invalid, Code: "cursor_invalid",
			Detail: "the cursor is not one that this listing gave", Hint: "start again without a cursor, with the same filters throughout"}
	}
	if e, ok := errors.AsType[*tokens.QueryError](err); ok {
		return page, &commands.Error{Kind: commands.Invalid, Code: "filter_invalid", Detail: commands.Clean(e.Field + " " + e.Problem), Hint: "change the filter"}
	}
	return page, commands.Unreadable(err)
}

// History gives up to limit events of the token after the sequence after.
func (s *State) History(ctx context.Context, id ulid.ULID, after uint64, limit int) (evs []events.Recorded, more bool, err error) {
	seqs, err := s.Reader.History(id, after, limit+1)
	if err != nil {
		return nil, false, commands.Unreadable(err)
	}
	if more = len(seqs) > limit; more {
		seqs = seqs[:limit]
	}
	evs = make([]events.Recorded, 0, len(seqs))
	for _, seq := range seqs {
		r, err := s.event(ctx, seq)
		if err != nil {
			return nil, false, err
		}
		evs = append(evs, r)
	}
	return evs, more, nil
}

// event reads one event from the stream.
func (s *State) event(ctx context.Context, seq uint64) (events.Recorded, error) {
	r, err := s.Past.Get(ctx, seq)
	if err != nil {
		return r, &commands.Error{Kind: commands.Unavailable, Code: "stream_unreadable",
			Detail: fmt.Sprintf("the event at sequence %d cannot be read from the stream", seq), Hint: "ask the operator to read the node's log", Cause: err}
	}
	return r, nil
}

// EventTime implements [commands.State].
func (s *State) EventTime(ctx context.Context, seq uint64) (time.Time, error) {
	r, err := s.event(ctx, seq)
	return r.Event.Time, err
}

// TokenAt implements [commands.State]: the record folded from the token's events
// up to seq, uses left out.
func (s *State) TokenAt(ctx context.Context, id ulid.ULID, seq uint64) (tokens.Token, error) {
	t := tokens.Token{ID: id}
	seqs, err := s.Changes(id, seq)
	if err != nil {
		return t, commands.Unreadable(err)
	}
	for _, at := range seqs {
		r, err := s.event(ctx, at)
		if err != nil {
			return t, err
		}
		t.Fold(r)
	}
	return t, nil
}
