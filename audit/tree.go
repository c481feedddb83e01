package audit

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// Tree is a Merkle tree (RFC 6962, section 2.1) that leaves are added to: its right
// edge, the roots of the perfect subtrees that the leaves fall into, the largest first.
// The zero value has no leaves.
type Tree struct {
	size uint64
	edge []tlog.Hash
}

// TreeOf takes up the tree that a state describes. A state that contradicts itself is
// an error.
func TreeOf(s layout.State) (*Tree, error) {
	t := &Tree{s.Size, append([]tlog.Hash(nil), s.Edge...)}
	if len(s.Edge) != bits.OnesCount64(s.Size) || t.Root() != s.Root {
		return nil, fmt.Errorf("the state of %d entries contradicts itself: its edge does not make its root", s.Size)
	}
	return t, nil
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// State is what a log of these leaves records.
func (t *Tree) State() layout.State {
	return layout.State{Size: t.size, Root: t.Root(), Edge: append([]tlog.Hash{}, t.edge...)}
}

// Push adds a leaf's hash. full, if set, is told of each hash that a level of tiles gets
// by it, from the lowest level on.
func (t *Tree) Push(leaf tlog.Hash, full func(level int, h tlog.Hash)) {
	h := leaf
	if full != nil {
		full(0, h)
	}
	height := 0
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		h = nodeHash(&t.edge[last], &h)
		t.edge = t.edge[:last]
		if height++; height%layout.TileHeight == 0 && full != nil {
			full(height/layout.TileHeight, h)
		}
	}
	t.edge = append(t.edge, h)
	t.size++
}

// Root is the tree's.
func (t *Tree) Root() tlog.Hash {
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

// Hasher computes the hashes of leaves. It is [tlog.RecordHash] with room that it keeps,
// and for one goroutine.
type Hasher struct{ room []byte }

// Sum gives the leaf's hash.
func (h *Hasher) Sum(leaf []byte) tlog.Hash {
	h.room = append(append(h.room[:0], 0), leaf...)
	return sha256.Sum256(h.room)
}
