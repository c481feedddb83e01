package index

import (
	"context"
	"errors"

	"github.com/tokenledger/tokenledger/projections"
)

// join gives the blocks that all of its sources have.
type join struct {
	sources []source
	// deciding are those whose sequences have to be looked at: the rows of a term are
	// the tenant's already, and the time is judged by who asked.
	deciding []source
	standing []uint64 // the block that each stands on
	steps    *int
	seqs     []uint64
	more     []uint64
}

func openJoin(v *projections.View, q *Query, steps *int) (_ *join, err error) {
	j := &join{steps: steps}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(j.sources))
		}
	}()
	terms := q.terms()
	if !q.AllTenants {
		w, err := newWalk(v, tenantPrefix(nil, q.Tenant), steps)
		if err != nil {
			return nil, err
		}
		j.sources = append(j.sources, &inTenant{walk: w})
	}
	if !q.Since.IsZero() || !q.Until.IsZero() || q.AllTenants && len(terms) == 0 {
		w, err := newWalk(v, []byte{kindBlock}, steps)
		if err != nil {
			return nil, err
		}
		j.sources = append(j.sources, &blocks{walk: w, q: q})
	}
	j.deciding = j.sources[:min(1, len(j.sources))]
	for _, oneOf := range terms {
		s, err := openTerms(v, q, oneOf, steps)
		if err != nil {
			return nil, err
		}
		j.sources = append(j.sources, s)
	}
	if len(terms) > 0 {
		j.deciding = j.sources[len(j.sources)-len(terms):]
	}
	j.standing = make([]uint64, len(j.sources))
	return j, nil
}

// openTerms gives the blocks that have one of the terms.
func openTerms(v *projections.View, q *Query, oneOf []term, steps *int) (source, error) {
	all := make([]source, 0, len(oneOf))
	for _, t := range oneOf {
		w, err := newWalk(v, postingPrefix(nil, t), steps)
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		if q.AllTenants {
			all = append(all, &inAll{walk: w})
		} else {
			all = append(all, &inTenant{walk: w, tenant: q.Tenant})
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return newAnyOf(all), nil
}

func closeAll(all []source) (err error) {
	for _, s := range all {
		err = errors.Join(err, s.close())
	}
	return err
}

// seek goes to the first block at or behind a sequence that all sources have, and gives
// where it ends: 0 at the end of all blocks. When it was enough for now, agreed is
// false and what it gives lies in the first block that was not looked at.
func (j *join) seek(ctx context.Context, at uint64) (_ uint64, agreed bool, err error) {
	for i, n := 0, 0; n < len(j.sources); i = (i + 1) % len(j.sources) {
		if j.standing[i] == at {
			n++
			continue
		}
		if *j.steps <= 0 {
			return at, false, nil
		}
		if ctx.Err() != nil {
			return 0, false, context.Cause(ctx)
		}
		got, exact, err := j.sources[i].seek(at)
		switch {
		case err != nil || got == 0:
			return 0, false, err
		case !exact:
			n = 0
			j.standing[i] = 0
		case got > at:
			n = 1
			j.standing[i] = got
		default:
			n++
			j.standing[i] = got
		}
		at = got
	}
	return at, true, nil
}

// postings gives the sequences in the block that all sources stand on. They are valid
// until the next call.
func (j *join) postings() (_ []uint64, err error) {
	for i, s := range j.deciding {
		if i == 0 {
			j.seqs, err = s.postings(j.seqs[:0])
		} else if j.more, err = s.postings(j.more[:0]); err == nil {
			j.seqs = intersect(j.seqs, j.more)
		}
		if err != nil {
			return nil, err
		}
	}
	return j.seqs, nil
}
