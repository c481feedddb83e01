package audit

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// tree is the right edge of a Merkle tree (RFC 6962, section 2.1): the roots of the
// perfect subtrees that its leaves fall into, the largest first.
type tree struct {
	size uint64
	edge []tlog.Hash
}

// treeOf takes up where a state ends.
func treeOf(s layout.State) (*tree, error) {
	t := &tree{size: s.Size, edge: append([]tlog.Hash(nil), s.Edge...)}
	if len(s.Edge) != bits.OnesCount64(s.Size) || t.root() != s.Root {
		return nil, fmt.Errorf("the state of %d leaves has an edge that does not make its root", s.Size)
	}
	return t, nil
}

func (t *tree) state() layout.State {
	return layout.State{Size: t.size, Root: t.root(), Edge: append([]tlog.Hash(nil), t.edge...)}
}

// push adds a leaf's hash. full is told of each hash that a level of tiles gets by it,
// from the lowest level on.
func (t *tree) push(leaf tlog.Hash, full func(level int, h tlog.Hash)) {
	h := leaf
	full(0, h)
	height := 0
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		h = nodeHash(&t.edge[last], &h)
		t.edge = t.edge[:last]
		if height++; height%layout.TileHeight == 0 {
			full(height/layout.TileHeight, h)
		}
	}
	t.edge = append(t.edge, h)
	t.size++
}

func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.edge) - 1
	h := t.edge[last]
	for i := last - 1; i >= 0; i-- {
		h = nodeHash(&t.edge[i], &h)
	}
	return h
}

// nodeHash is [tlog.NodeHash] without an allocation.
func nodeHash(left, right *tlog.Hash) tlog.Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}
