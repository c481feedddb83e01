package index

import (
	"context"
	"errors"

	"github.com/tokenledger/tokenledger/projections"
)

// Progress is how far a Find came.
type Progress struct {
	// Seq is the sequence up to which everything was given.
	Seq uint64
	// Done says that there is nothing behind it: it is [Query.To], or the end of the
	// index.
	Done bool
}

// Find calls each with the sequences of the events that are asked for, those above
// after, in order, until it returns false. It looks at some 20,000 rows at most, so it
// may stop, even before it gave anything, with Done false: then it is to be called
// again, with after set to Seq.
//
// What is given may fail to match: events of a block that lies in the time asked for
// only in part, and whatever a damaged index says. Everything that matches is given.
//
// Errors: an [*UnavailableError], [ErrClosed], ctx's cause.
func (x *Index) Find(ctx context.Context, q Query, after uint64, each func(seq uint64) bool) (Progress, error) {
	view, stored, tail, err := x.snapshot(ctx)
	if err != nil {
		return Progress{}, err
	}
	p := Progress{Seq: after}
	end := stored + uint64(len(tail))
	if q.To != 0 {
		end = min(end, q.To)
	}
	if after >= end {
		p.Done = true
		return p, nil
	}
	stop := false
	give := func(seq uint64) bool {
		p.Seq = seq
		stop = !each(seq)
		return !stop
	}
	if last := min(stored, end); after < last {
		steps := x.maxSteps
		reached, err := find(ctx, view, &q, after, last, &steps, give)
		if ctx.Err() != nil && err != nil {
			return p, context.Cause(ctx)
		}
		if err != nil {
			return p, x.readError(err)
		}
		if stop {
			return p, nil
		}
		p.Seq = max(p.Seq, reached)
		if reached < last {
			return p, nil
		}
	}
	terms := q.terms()
	for seq := max(p.Seq, stored) + 1; seq <= end; seq++ {
		if q.matches(&tail[seq-stored-1], terms) && !give(seq) {
			return p, nil
		}
	}
	return Progress{Seq: end, Done: true}, nil
}

// snapshot gives what is indexed, once the index is open. The blocks are there to stay,
// so whoever reads them later finds those up to stored.
func (x *Index) snapshot(ctx context.Context) (view *projections.View, stored uint64, tail []entry, err error) {
	for {
		x.mu.Lock()
		view, stored, tail, err = x.view, x.stored, x.tail, x.err
		wake := x.wake
		x.mu.Unlock()
		if err != nil || view != nil {
			return view, stored, tail, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, 0, nil, &BehindError{0, 0, context.Cause(ctx)}
		}
	}
}

// readError gives the error for a read that failed. One that will fail again ends the
// index.
func (x *Index) readError(err error) error {
	if errors.Is(err, projections.ErrClosed) {
		return ErrClosed
	}
	if _, fatal := errors.AsType[*projections.FatalError](err); fatal || errors.Is(err, errRow) {
		err = x.end(x.unavailable(err))
		x.rouse()
		return err
	}
	return x.unavailable(err)
}

// find is Find in the stored blocks, up to the sequence last. It gives how far it came.
func find(ctx context.Context, v *projections.View, q *Query, after, last uint64, steps *int, each func(uint64) bool) (reached uint64, err error) {
	j, err := openJoin(v, q, steps)
	if err != nil {
		return after, err
	}
	defer func() { err = errors.Join(err, closeAll(j.sources)) }()
	for at := after + 1; ; {
		block, agreed, err := j.seek(ctx, at)
		switch {
		case err != nil:
			return after, err
		case block == 0:
			return last, nil
		case !agreed:
			// That is enough for now. What was looked at ends before the block that has
			// the sequence.
			before, err := beginOf(v, block)
			return min(max(before-1, after), last), err
		}
		seqs, err := j.postings()
		if err != nil {
			return after, err
		}
		for _, seq := range seqs {
			if seq > last {
				return last, nil
			}
			if seq > after && !each(seq) {
				return seq, nil
			}
		}
		if block >= last {
			return last, nil
		}
		at = block + 1
	}
}

// beginOf gives the first sequence of the block that has a sequence, and where there is
// none the sequence itself.
func beginOf(v *projections.View, seq uint64) (_ uint64, err error) {
	it, err := v.Iter(blockKey(nil, seq), []byte{kindBlock + 1})
	if err != nil {
		return seq, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.First() {
		return seq, nil
	}
	last, _, err := split(it.Key()[1:])
	if err != nil {
		return seq, err
	}
	value, err := it.Value()
	if err != nil {
		return seq, err
	}
	b, err := parseBlock(last, value)
	return min(b.first, seq), err
}
