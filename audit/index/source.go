package index

import (
	"encoding/binary"
	"fmt"

	"github.com/tokenledger/tokenledger/projections"
)

// source gives the blocks that have some of the sequences sought, in order.
//
// The join over several is a leapfrog: each source is asked for the first block at or
// behind the one that the others have come to, so the work is bounded by the source
// with the fewest blocks.
type source interface {
	// seek goes to the first block that ends at or behind a sequence. If it is exact,
	// the source stands on the block that ends at at; otherwise it has nothing before
	// at, which is greater than seq, and has to be asked again. at is 0 at the end.
	seek(seq uint64) (at uint64, exact bool, err error)
	// postings appends the sequences of the block that the source stands on. It is
	// called once for a block.
	postings(dst []uint64) ([]uint64, error)
	close() error
}

// walk is an iterator over the rows of one prefix, which counts its steps.
type walk struct {
	it     *projections.Iter
	prefix []byte
	key    []byte
	steps  *int
}

func newWalk(v *projections.View, prefix []byte, steps *int) (walk, error) {
	it, err := v.Iter(prefix, prefixEnd(prefix))
	return walk{it: it, prefix: prefix, steps: steps}, err
}

func (w *walk) close() error { return w.it.Close() }

// seek goes to the first row at or behind that of a block, and a tenant in it, and
// gives what follows the prefix: nil at the end.
func (w *walk) seek(seq uint64, tenant string) []byte {
	*w.steps--
	w.key = append(appendSeq(append(w.key[:0], w.prefix...), seq), tenant...)
	if !w.it.SeekGE(w.key) {
		return nil
	}
	return w.it.Key()[len(w.prefix):]
}

func (w *walk) next() []byte {
	*w.steps--
	if !w.it.Next() {
		return nil
	}
	return w.it.Key()[len(w.prefix):]
}

func split(rest []byte) (seq uint64, tenant []byte, err error) {
	if len(rest) < 8 {
		return 0, nil, fmt.Errorf("%w: a key of %d bytes", errRow, len(rest))
	}
	return binary.BigEndian.Uint64(rest), rest[8:], nil
}

// inTenant are the rows of a tenant, and those of a term in a tenant.
type inTenant struct {
	walk
	tenant string // empty where the prefix has it
	at     uint64
}

func (s *inTenant) seek(seq uint64) (uint64, bool, error) {
	rest := s.walk.seek(seq, s.tenant)
	if rest == nil {
		return 0, false, nil // closing tells whether it is the end
	}
	at, tenant, err := split(rest)
	if err != nil {
		return 0, false, err
	}
	s.at = at
	switch {
	case string(tenant) == s.tenant:
		return at, true, nil
	case string(tenant) > s.tenant:
		at++ // there is nothing of ours in this block
	}
	return at, false, nil
}

func (s *inTenant) postings(dst []uint64) ([]uint64, error) {
	v, err := s.it.Value()
	if err != nil {
		return dst, err
	}
	return parsePostings(dst, s.at, v)
}

// inAll are the rows of a term in whatever tenant.
type inAll struct {
	walk
	at   uint64
	more []uint64
}

func (s *inAll) seek(seq uint64) (uint64, bool, error) {
	rest := s.walk.seek(seq, "")
	if rest == nil {
		return 0, false, nil // closing tells whether it is the end
	}
	at, _, err := split(rest)
	s.at = at
	return at, err == nil, err
}

func (s *inAll) postings(dst []uint64) ([]uint64, error) {
	start := len(dst)
	for {
		v, err := s.it.Value()
		if err != nil {
			return dst, err
		}
		s.more = append(s.more[:0], dst[start:]...)
		own, err := parsePostings(nil, s.at, v)
		if err != nil {
			return dst, err
		}
		dst = union(dst[:start], s.more, own)
		rest := s.next()
		if rest == nil {
			return dst, nil
		}
		at, _, err := split(rest)
		if err != nil || at != s.at {
			return dst, err
		}
	}
}

// anyOf are the blocks of several sources.
type anyOf struct {
	sources []source
	at      []uint64 // where each stands; 0 for its end
	exact   []bool
	now     uint64
	spare   [2][]uint64
}

func newAnyOf(sources []source) *anyOf {
	s := &anyOf{sources: sources, at: make([]uint64, len(sources)), exact: make([]bool, len(sources))}
	for i := range s.at {
		s.at[i] = 1 // somewhere
	}
	return s
}

func (s *anyOf) seek(seq uint64) (at uint64, exact bool, err error) {
	for i, one := range s.sources {
		if s.at[i] != 0 && (s.at[i] < seq || s.at[i] == seq && !s.exact[i]) {
			if s.at[i], s.exact[i], err = one.seek(seq); err != nil {
				return 0, false, err
			}
		}
		switch {
		case s.at[i] == 0:
		case at == 0 || s.at[i] < at:
			at, exact = s.at[i], s.exact[i]
		case s.at[i] == at:
			exact = exact && s.exact[i]
		}
	}
	s.now = at
	return at, exact, nil
}

func (s *anyOf) postings(dst []uint64) ([]uint64, error) {
	start := len(dst)
	for i, one := range s.sources {
		if s.at[i] != s.now {
			continue
		}
		own, err := one.postings(s.spare[0][:0])
		if err != nil {
			return dst, err
		}
		s.spare[0] = own
		s.spare[1] = append(s.spare[1][:0], dst[start:]...)
		dst = union(dst[:start], s.spare[1], own)
	}
	return dst, nil
}

func (s *anyOf) close() error { return closeAll(s.sources) }

// blocks are the blocks themselves, those that are of another time left out.
type blocks struct {
	walk
	q   *Query
	now block
}

func (s *blocks) seek(seq uint64) (uint64, bool, error) {
	rest := s.walk.seek(seq, "")
	for rest != nil {
		at, _, err := split(rest)
		if err != nil {
			return 0, false, err
		}
		v, err := s.it.Value()
		if err != nil {
			return 0, false, err
		}
		if s.now, err = parseBlock(at, v); err != nil {
			return 0, false, err
		}
		if (s.q.Since.IsZero() || !s.now.to.Before(s.q.Since)) && (s.q.Until.IsZero() || s.now.from.Before(s.q.Until)) {
			return at, true, nil
		}
		if *s.steps <= 0 {
			return at + 1, false, nil
		}
		rest = s.next()
	}
	return 0, false, nil // closing tells whether it is the end
}

func (s *blocks) postings(dst []uint64) ([]uint64, error) {
	for seq := s.now.first; seq <= s.now.last; seq++ {
		dst = append(dst, seq)
	}
	return dst, nil
}

// union appends to dst the sequences of two lists, each once.
func union(dst, a, b []uint64) []uint64 {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			dst, a = append(dst, a[0]), a[1:]
		case a[0] > b[0]:
			dst, b = append(dst, b[0]), b[1:]
		default:
			dst, a, b = append(dst, a[0]), a[1:], b[1:]
		}
	}
	return append(append(dst, a...), b...)
}

// intersect keeps of a what is in b too.
func intersect(a, b []uint64) []uint64 {
	kept := a[:0]
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			kept = append(kept, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return kept
}
