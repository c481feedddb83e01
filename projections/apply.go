package projections

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tokenledger/tokenledger/events"
)

// A batch's buffer is kept between calls up to this size, in bytes.
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

	if r.batch == nil {
		r.batch = r.s.db.NewBatch(pebble.WithInitialSizeBytes(64<<10), pebble.WithMaxRetainedSizeBytes(retainedBatch))
	}
	c := r.begin(r.batch)
	err := r.add(c, batch)
	if err == nil {
		err = r.finish(c, func(b *pebble.Batch) error {
			defer r.dirty.Store(true) // behind the commit, which the next sync is to be of
			return r.s.commit(b, pebble.NoSync)
		})
	}
	if r.batch = c.b; err != nil {
		r.discard(c)
	}
	return err
}

// change is a batch under way: what it writes, and where it leads to.
type change struct {
	b        *pebble.Batch // nil when it is not ours any more
	moved    []at          // of Runner.running
	evidence Position
}

func (r *Runner) begin(b *pebble.Batch) *change {
	c := &change{b: b, moved: make([]at, len(r.running)), evidence: r.evidence}
	for i, run := range r.running {
		c.moved[i] = run.position()
	}
	return c
}

// add gives events to every projection.
func (r *Runner) add(c *change, batch []events.Recorded) (err error) {
	if c.evidence, err = r.judge(c.evidence, batch); err != nil {
		return err
	}
	for i, run := range r.running {
		if c.moved[i], err = run.apply(c.b, c.moved[i], batch); err != nil {
			return err
		}
	}
	return nil
}

// finish has the projections write what they held back, and commits what the batch
// writes, if there was news in it.
func (r *Runner) finish(c *change, commit func(*pebble.Batch) error) error {
	if !r.news(c) {
		return nil
	}
	// The store's own rows come before all others: a batch in the order of the keys is
	// what a table is made of.
	for i, run := range r.running {
		_ = c.b.Set([]byte(atPrefix+run.p.Name()), c.moved[i].encode(), nil)
	}
	if c.evidence != r.evidence {
		_ = c.b.Set([]byte(evidenceKey), c.evidence.encode(), nil)
	}
	for i, run := range r.running {
		if run.stateful == nil || c.moved[i].seq == run.at.seq {
			continue
		}
		if err := run.stateful.Flush(&Writer{v: run.view, b: c.b}); err != nil {
			return fmt.Errorf("apply the events up to sequence %d to projection %q: %w", c.moved[i].seq, run.p.Name(), err)
		}
	}
	if err := commit(c.b); err != nil {
		c.b = nil // it may still be Pebble's
		return err
	}
	c.b.Reset()
	r.committed(c)
	return nil
}

// news reports whether the batch has an event that is new to a projection.
func (r *Runner) news(c *change) bool {
	for i, run := range r.running {
		if c.moved[i].seq != run.at.seq {
			return true
		}
	}
	return false
}

// committed makes the commit known: first to the projections, whose caches must not
// outlive it, then to whoever asks how far they are.
func (r *Runner) committed(c *change) {
	for i, run := range r.running {
		if run.stateful != nil && c.moved[i].seq != run.at.seq {
			run.stateful.Committed()
		}
	}
	r.posMu.Lock()
	r.evidence = c.evidence
	r.posMu.Unlock()
	for i, run := range r.running {
		run.move(c.moved[i])
	}
	r.waiters.reach(r.From())
}

// judge looks at the batch as a whole: its sequences must be a run, and the event
// that the evidence was of must be the same. It gives the evidence after the batch.
func (r *Runner) judge(was Position, batch []events.Recorded) (Position, error) {
	for i := 1; i < len(batch); i++ {
		if want := batch[i-1].Seq + 1; batch[i].Seq != want {
			return Position{}, &GapError{Projection: r.running[0].p.Name(), Want: want, Got: batch[i].Seq}
		}
	}
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
	a.seq = last
	return a, nil
}

// discard gives up a batch.
func (r *Runner) discard(c *change) {
	if c.b != nil {
		c.b.Reset()
	}
	for _, run := range r.running {
		if run.stateful != nil {
			run.stateful.Discarded()
		}
	}
}
