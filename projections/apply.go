package projections

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tokenledger/tokenledger/events"
)

// The batch's buffer is kept between calls up to this size, in bytes.
const retainedBatch = 16 << 20

// Apply gives a run of events, in the order of the stream, to every projection and
// commits what they write in one batch. On nil the rows can be read, and are durable
// after the next sync (about a second) or Close. On an error nothing of the batch
// was kept.
//
// Events that a projection has applied are passed over. One that does not follow on
// is a [*GapError]; one that differs from what was applied at its sequence before,
// as far as that is known, is an [*EvidenceError].
func (r *Runner) Apply(batch []events.Recorded) error {
	if len(batch) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(); err != nil {
		return err
	}
	defer r.s.leave()

	evidence, err := r.judge(batch)
	if err != nil {
		return err
	}
	if r.batch == nil {
		r.batch = r.s.db.NewBatch(pebble.WithInitialSizeBytes(64<<10), pebble.WithMaxRetainedSizeBytes(retainedBatch))
	}
	b := r.batch
	moved := make([]at, len(r.running))
	news := false
	for i, run := range r.running {
		was := run.position()
		moved[i], err = run.apply(b, was, batch)
		if err != nil {
			r.discard(i + 1)
			return err
		}
		news = news || moved[i].seq != was.seq
	}
	if !news {
		return nil
	}
	for i, run := range r.running {
		_ = b.Set([]byte(atPrefix+run.p.Name()), moved[i].encode(), nil)
	}
	if evidence != r.evidence {
		_ = b.Set([]byte(evidenceKey), evidence.encode(), nil)
	}
	if err := r.s.commit(b, pebble.NoSync); err != nil {
		r.batch = nil // it may still be Pebble's
		r.discard(len(r.running))
		return err
	}
	b.Reset()
	r.dirty.Store(true)
	r.committed(moved, evidence)
	return nil
}

// committed makes the commit known: first to the projections, whose caches must not
// outlive it, then to whoever asks how far they are.
func (r *Runner) committed(moved []at, evidence Position) {
	for i, run := range r.running {
		if run.stateful != nil && moved[i].seq != run.at.seq {
			run.stateful.Committed()
		}
	}
	r.posMu.Lock()
	r.evidence = evidence
	r.posMu.Unlock()
	for i, run := range r.running {
		run.move(moved[i])
	}
	r.waiters.reach(r.From())
}

// judge looks at the batch as a whole: its sequences must be a run, and the event
// that the evidence is of must be the same. It gives the evidence after the batch.
func (r *Runner) judge(batch []events.Recorded) (Position, error) {
	for i := 1; i < len(batch); i++ {
		if want := batch[i-1].Seq + 1; batch[i].Seq != want {
			return Position{}, &GapError{Projection: r.running[0].p.Name(), Want: want, Got: batch[i].Seq}
		}
	}
	was := r.evidence
	if first := batch[0].Seq; was.Seq >= first && was.Seq-first < uint64(len(batch)) {
		if hash := sha256.Sum256(batch[was.Seq-first].Raw); hash != was.Hash {
			return Position{}, &EvidenceError{Seq: was.Seq, Applied: was.Hash, Given: hash}
		}
	}
	last := &batch[len(batch)-1]
	if last.Seq <= was.Seq {
		return was, nil
	}
	return Position{Seq: last.Seq, Hash: sha256.Sum256(last.Raw)}, nil
}

// apply gives a projection those events of the batch that are new to it.
func (run *running) apply(b *pebble.Batch, a at, batch []events.Recorded) (at, error) {
	last := batch[len(batch)-1].Seq
	if last <= a.seq {
		return a, nil
	}
	if want, first := a.seq+1, batch[0].Seq; first > want {
		return a, &GapError{Projection: run.p.Name(), Want: want, Got: first}
	}
	w := &Writer{v: run.view, b: b}
	for _, r := range batch[a.seq+1-batch[0].Seq:] {
		switch err := run.p.Apply(w, r); {
		case err == nil:
		case errors.Is(err, ErrUnknownType):
			a.unknown++
		default:
			return a, fmt.Errorf("apply the event at sequence %d to projection %q: %w", r.Seq, run.p.Name(), err)
		}
	}
	if run.stateful != nil {
		if err := run.stateful.Flush(w); err != nil {
			return a, fmt.Errorf("apply the events up to sequence %d to projection %q: %w", last, run.p.Name(), err)
		}
	}
	a.seq = last
	return a, nil
}

// discard gives up the batch in the first n projections.
func (r *Runner) discard(n int) {
	if r.batch != nil {
		r.batch.Reset()
	}
	for _, run := range r.running[:n] {
		if run.stateful != nil {
			run.stateful.Discarded()
		}
	}
}
