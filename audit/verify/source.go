package verify

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// Source is where a log lies, and in which form. [Dir], [Export] and [HTTP] make one.
// It is for one verification.
type Source interface {
	// checkpoint gives the signed checkpoint.
	checkpoint(ctx context.Context) ([]byte, error)
	// committed gives the roots that the log itself names, the last of them for all
	// entries that it counts. signed is what the checkpoint was signed over.
	committed(ctx context.Context, signed tlog.Tree) ([]mark, error)
	// survey looks at what lies there, before anything is read.
	survey(ctx context.Context) ([]Warning, error)
	// fill reads leaves and the hashes that the log has for them.
	fill(ctx context.Context, c *chunk)
	// tile reads the first width hashes of a tile above level 0.
	tile(ctx context.Context, level int, n uint64, width int) ([]byte, error)
	// finish looks at what is not part of the tree, once the tree is found true.
	finish(ctx context.Context) ([]Warning, error)
	// miscut says what is wrong with where the i-th leaf of c is cut, nil if nothing is.
	miscut(c *chunk, i int) *Error
	// leafFile, leafHashFile and tileFile name the place.
	leafFile(index uint64) string
	tileFile(level int, n uint64) string
	// workers is how many chunks are worked on at once.
	workers() int
	close() error
}

// mark is a root that the log has to have at a size.
type mark struct {
	size uint64
	root tlog.Hash
	// edge, if not nil, is the roots of the perfect subtrees.
	edge []tlog.Hash
	what markOf
	// note is the signed checkpoint of one that was remembered.
	note []byte
}

// markOf says who names the root. The order is that in which a root that is not met
// is reported: the signature says most.
type markOf int

const (
	bySignature markOf = iota
	byMemory
	byState
	byOldState
)

// chunkLeaves is how many leaves are read at once. It divides a segment, and a tile
// divides it.
const chunkLeaves = 4 * layout.TileWidth

// chunk is leaves that are worked on together.
type chunk struct {
	// first is the index of the first leaf, want how many there are.
	first uint64
	want  int

	// What fill reads: in buf, from each begin to its end, the leaves, with a byte of
	// room before each; the hashes that the log has for them; and why there are fewer
	// than wanted.
	buf        []byte
	begin, end []int
	stored     []byte
	err        error

	// What was computed of them.
	hashes []tlog.Hash
	roots  []tlog.Hash // of the full tiles
	bad    *badLeaf    // the first

	done chan struct{}
}

func (c *chunk) reset(first uint64, want int) {
	c.first, c.want, c.err, c.bad = first, want, nil, nil
	c.buf, c.begin, c.end, c.stored = c.buf[:0], c.begin[:0], c.end[:0], c.stored[:0]
	c.hashes, c.roots = c.hashes[:0], c.roots[:0]
}

// n is how many leaves were read.
func (c *chunk) n() int { return len(c.begin) }

// cut leaves the first n leaves.
func (c *chunk) cut(n int) {
	c.begin, c.end, c.stored = c.begin[:n], c.end[:n], c.stored[:n*layout.HashSize]
}

func (c *chunk) leaf(i int) []byte { return c.buf[c.begin[i]:c.end[i]:c.end[i]] }

func (c *chunk) storedHash(i int) tlog.Hash {
	return tlog.Hash(c.stored[i*layout.HashSize : (i+1)*layout.HashSize])
}

// badLeaf is a leaf that is not what it should be.
type badLeaf struct {
	i int
	// unmet says that its hash is not the one that the log has.
	unmet bool
	// problem is what is wrong with the leaf itself, "" if nothing is.
	problem string
}
