package ledger

import (
	"context"
	"errors"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
)

// auditError puts an error of the audit log, of the index over it, or of a question
// into the door's words.
func auditError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*commands.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*questions.QueryError](err); ok {
		return fieldError(e)
	}
	if _, ok := errors.AsType[*questions.CursorError](err); ok {
		return &commands.Error{Kind: commands.Invalid, Code: "cursor_invalid",
			Detail: "the cursor is not one that this question gave", Hint: "start again without a cursor, with the same parameters throughout"}
	}
	if _, ok := errors.AsType[*audit.TileError](err); ok {
		return noSuchTile()
	}
	if e, ok := errors.AsType[*questions.BehindError](err); ok {
		return &commands.Error{Kind: commands.Unavailable, Code: "behind",
			Detail: e.Error(), Hint: "a node that has just started indexes its audit log; GET /metrics tells how far it is", Cause: err}
	}
	if bad, ok := errors.AsType[*audit.CorruptError](err); ok {
		return &commands.Error{Kind: commands.Unavailable, Code: "audit_log_damaged",
			Detail: "this node's audit log is not what was written: " + bad.Error(), Hint: "the operator has to run tokenledger audit verify on the data directory, and keep it as evidence", Cause: err}
	}
	if _, ok := errors.AsType[*index.UnavailableError](err); ok || errors.Is(err, index.ErrClosed) {
		return &commands.Error{Kind: commands.Unavailable, Code: "index_unavailable",
			Detail: "the index over this node's audit log has stopped; the log itself, its checkpoints and proofs are not touched by that",
			Hint:   "the operator has to read the node's log, see to the disk and start the node again", Cause: err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &commands.Error{Kind: commands.Unavailable, Code: "question_too_long",
			Detail: "the question took longer than " + askWithin.String() + ", so it was not answered", Hint: "ask for less", Cause: err}
	}
	return &commands.Error{Kind: commands.Unavailable, Code: "audit_log_unavailable",
		Detail: "this node cannot read its audit log", Hint: "ask the operator to read the node's log", Cause: err}
}

// hintTooLong says what to do about a question that took too long: what there is to leave
// out is another thing for each.
func hintTooLong(err *error, hint string) {
	if e, ok := errors.AsType[*commands.Error](*err); ok && e.Code == "question_too_long" {
		told := *e
		told.Hint = hint
		*err = &told
	}
}

// fieldError says which part of a question is wrong.
func fieldError(e *questions.QueryError) error {
	switch e.Field {
	case "at":
		return &commands.Error{Kind: commands.Invalid, Code: "time_invalid", Detail: commands.Clean("the moment asked for " + e.Problem), Hint: "give a time, or a sequence that the ledger has"}
	case "since", "until", "from", "to":
		return &commands.Error{Kind: commands.Invalid, Code: "time_invalid", Detail: commands.Clean(e.Field + " " + e.Problem), Hint: "give the earlier moment first, and sequences that the ledger has"}
	}
	return &commands.Error{Kind: commands.Invalid, Code: "filter_invalid", Detail: commands.Clean(e.Field + " " + e.Problem), Hint: "change the filter"}
}

func noSuchTile() error {
	return &commands.Error{Kind: commands.NotFound, Code: "no_such_tile",
		Detail: "the audit log has no such tile", Hint: "the paths are those of https://c2sp.org/tlog-tiles, up to the size that /v1/audit/checkpoint gives"}
}

// noSuchEvent is the answer for a sequence that is not there and for one of another
// tenant, alike.
func noSuchEvent() error {
	return &commands.Error{Kind: commands.NotFound, Code: "event_not_found",
		Detail: "there is no event at this sequence that you may see", Hint: "check the sequence, and that your token belongs to the same tenant"}
}
