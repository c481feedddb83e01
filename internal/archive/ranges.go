package archive

import "slices"

// Kind is what is wrong with a range of sequences.
type Kind string

// The kinds.
const (
	// Lost: the stream has no event there that can be read.
	Lost Kind = "lost"
	// Changed: the stream has another event there than the archive.
	Changed Kind = "changed"
	// EndsEarly: the stream ends before.
	EndsEarly Kind = "ends early"
	// Foreign: what the stream has there, and the archive not yet, is no event.
	Foreign Kind = "foreign"
)

// Range is neighbouring sequences with the same finding.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Kind  Kind   `json:"kind"`
	// What says in what a changed event differs: "payload", "subject", "time".
	What []string `json:"what,omitempty"`
}

// Count is how many sequences it has.
func (r Range) Count() uint64 { return r.Last - r.First + 1 }

// MaxRanges bounds the ranges that a comparison lists; all are counted.
const MaxRanges = 1000

// ranges gathers findings, which come in the order of the stream.
type ranges struct {
	list     []Range
	current  Range // of the last finding, if open
	open     bool
	unlisted uint64 // ranges that found no room
	counts   map[Kind]uint64
}

func (rs *ranges) add(r Range) {
	if rs.counts == nil {
		rs.counts = map[Kind]uint64{}
	}
	rs.counts[r.Kind] += r.Count()
	if c := &rs.current; rs.open && c.Last+1 == r.First && c.Kind == r.Kind && slices.Equal(c.What, r.What) {
		c.Last = r.Last
		return
	}
	rs.end()
	rs.current, rs.open = r, true
}

// end lists the open range.
func (rs *ranges) end() {
	switch {
	case !rs.open:
	case len(rs.list) < MaxRanges:
		rs.list = append(rs.list, rs.current)
	default:
		rs.unlisted++
	}
	rs.open = false
}
