package server

import (
	"context"
	"errors"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/usage"
)

// commandLog is the event store as the commands see it: its errors are theirs.
type commandLog struct {
	publish func(context.Context, ...events.Event) (uint64, error)
}

// Append implements [commands.Log].
func (l commandLog) Append(ctx context.Context, evs ...events.Event) (uint64, error) {
	last, err := l.publish(ctx, evs...)
	if err == nil {
		return last, nil
	}
	if _, unknown := errors.AsType[*eventstore.UnknownOutcomeError](err); unknown {
		return 0, &commands.Error{Kind: commands.UnknownOutcome, Code: "outcome_unknown",
			Detail: "the stream did not answer in time; it may or may not have been recorded",
			Hint:   "look before you repeat it, or repeat it with the same Idempotency-Key", Cause: err}
	}
	return 0, &commands.Error{Kind: commands.Unavailable, Code: "stream_unavailable",
		Detail: "the stream takes no events; nothing was changed", Hint: "try again shortly; if it lasts, the operator has to see to the node's disk or its NATS server", Cause: err}
}

// recorder is the usage journal as the door sees it: the verdicts that it passes
// on are counted, and its errors are the door's.
type recorder struct {
	journal *usage.Recorder
	count   func(reason string)
}

// Record implements [auth.Recorder].
func (r recorder) Record(ctx context.Context, uses ...commands.Use) error {
	if len(uses) == 0 {
		return nil
	}
	for i := range uses {
		r.count(uses[i].Reason)
	}
	err := r.journal.Record(ctx, uses...)
	if bad, ok := errors.AsType[*commands.UseError](err); ok {
		return &commands.Error{Kind: commands.Invalid, Code: "use_invalid",
			Detail: "the request cannot be recorded: " + bad.Error(), Hint: "send less: fewer scopes and shorter texts"}
	}
	if err != nil {
		return &commands.Error{Kind: commands.Unavailable, Code: "use_not_recorded",
			Detail: "the use of the token could not be recorded, so nothing was answered", Hint: "ask the operator to see to the disk of the data directory", Cause: err}
	}
	return nil
}

// verdicts lists the reasons that are counted.
func verdicts() []string {
	var all []string
	for _, r := range []commands.Reason{
		commands.Malformed, commands.Unknown, commands.BadSecret, commands.Revoked, commands.Expired,
		commands.NotYetValid, commands.Suspended, commands.InsufficientScope, commands.SiteMismatch, commands.IPDenied,
	} {
		all = append(all, string(r))
	}
	return all
}
