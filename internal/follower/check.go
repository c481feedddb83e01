package follower

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/identity"
)

// Refusal says why the stream cannot be the one that was followed before. There
// is no way on but the operator's.
type Refusal struct {
	// What happened, and how it was noticed.
	What string
	// Hint says what to do.
	Hint string
}

func (r *Refusal) Error() string { return r.What + "; " + r.Hint }

const restoreHint = "run tokenledger doctor on the data directory: it lists what is lost, and can make the stream anew from the audit log; if you mean to give up the events that are gone, start on a new data directory"

// Check holds the stream against the evidence of what was applied here. A
// [*Refusal] is final; any other error means that the stream could not be asked.
func (f *Follower) Check(ctx context.Context) error {
	if _, err := f.look(ctx); err != nil {
		return err
	}
	p := f.runner.Position()
	for _, e := range []identity.Evidence{{Seq: p.Seq, Hash: p.Hash}, f.kept} {
		if err := f.hold(ctx, e); err != nil {
			return err
		}
	}
	return f.holdEnd(ctx)
}

// holdEnd holds the stream against the last entry of the audit log.
func (f *Follower) holdEnd(ctx context.Context) error {
	seq := f.audit.Size()
	if seq == 0 {
		return nil
	}
	r, err := f.store.Get(ctx, seq)
	return f.judge(seq, r, err)
}

func altered(seq uint64, how string) *Refusal {
	if how != "" {
		how = " (" + how + ")"
	}
	return &Refusal{
		What: fmt.Sprintf("the event at sequence %d of the stream is not the one in the audit log%s: the stream was altered or replaced", seq, how),
		Hint: doctorHint,
	}
}

const doctorHint = "run tokenledger doctor on the data directory: it lists what differs, and can make the stream anew from the audit log"

// hold holds the stream against one piece of evidence.
func (f *Follower) hold(ctx context.Context, e identity.Evidence) error {
	if e.Seq == 0 {
		return nil
	}
	there, err := f.store.Get(ctx, e.Seq)
	if errors.Is(err, eventstore.ErrNotFound) {
		return lost(e.Seq)
	}
	if _, ok := errors.AsType[*eventstore.DecodeError](err); err != nil && !ok {
		return err
	}
	if err != nil || sha256.Sum256(there.Raw) != e.Hash {
		return &Refusal{
			What: fmt.Sprintf("the event at sequence %d of the stream is not the one that was applied here: the stream was replaced or altered", e.Seq),
			Hint: restoreHint,
		}
	}
	return nil
}

func lost(seq uint64) *Refusal {
	return &Refusal{What: fmt.Sprintf("the stream has no event at sequence %d, which was applied here", seq), Hint: restoreHint}
}

// Get reads an event that was applied here. One that is gone makes the follower refuse:
// the stream has a gap, which its server does not tell of by itself where a block is
// damaged.
func (f *Follower) Get(ctx context.Context, seq uint64) (events.Recorded, error) {
	r, err := f.store.Get(ctx, seq)
	if errors.Is(err, eventstore.ErrNotFound) {
		f.Refuse(lost(seq))
	}
	return r, err
}

// look asks the leader for the stream's state and refuses one that cannot have
// followed from what was seen before.
func (f *Follower) look(ctx context.Context) (eventstore.State, error) {
	applied := max(f.runner.Position().Seq, f.kept.Seq, f.audit.Size()) // before asking: the stream only grows
	st, err := f.store.State(ctx)
	if errors.Is(err, eventstore.ErrNoStream) {
		return st, &Refusal{What: fmt.Sprintf("the stream %s is gone; %d events of it were applied here", eventstore.Stream, applied), Hint: restoreHint}
	}
	if err != nil {
		return st, err
	}
	switch {
	case st.Last < applied:
		return st, &Refusal{
			What: fmt.Sprintf("the stream ends at sequence %d, and events up to %d were applied here: it was rolled back, or an older copy was put in its place", st.Last, applied),
			Hint: restoreHint,
		}
	case st.Last > 0 && st.First > 1:
		return st, &Refusal{What: fmt.Sprintf("the stream begins at sequence %d, not at 1: events were trimmed", st.First), Hint: restoreHint}
	case st.Deleted > 0 || st.Last > 0 && st.Messages != st.Last:
		return st, &Refusal{What: fmt.Sprintf("the stream lacks %d of its %d events: they were deleted, or its store is damaged", st.Last-st.Messages, st.Last), Hint: restoreHint}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.created.IsZero() && !st.Created.Equal(f.created) {
		return st, &Refusal{What: "the stream was deleted and made anew while this node ran", Hint: restoreHint}
	}
	f.created = st.Created
	f.hearLocked(st.Last)
	return st, nil
}
