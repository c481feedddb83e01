package verify

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// tree is the right edge of a Merkle tree (RFC 6962, section 2.1): the roots of the
// perfect subtrees that its leaves fall into, the largest first. A copy is a tree of
// its own.
type tree struct {
	size uint64
	edge [64]tlog.Hash
	n    int // of edge
}

// push adds the root of a perfect subtree of 2^height leaves. The size must be a
// multiple of that.
func (t *tree) push(height int, h tlog.Hash) {
	for n := t.size >> height; n&1 == 1; n >>= 1 {
		t.n--
		h = nodeHash(&t.edge[t.n], &h)
	}
	t.edge[t.n] = h
	t.n++
	t.size += 1 << height
}

// with gives the tree that has the leaves behind t's.
func (t tree) with(leaves []tlog.Hash) *tree {
	for _, h := range leaves {
		t.push(0, h)
	}
	return &t
}

func (t *tree) root() tlog.Hash {
	if t.n == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[t.n-1]
	for i := t.n - 2; i >= 0; i-- {
		h = nodeHash(&t.edge[i], &h)
	}
	return h
}

// tileRoot is the root of the subtree over a full tile's hashes.
func tileRoot(hashes []tlog.Hash) tlog.Hash {
	var row [layout.TileWidth / 2]tlog.Hash
	for i := range row {
		row[i] = nodeHash(&hashes[2*i], &hashes[2*i+1])
	}
	for n := len(row) / 2; n > 0; n /= 2 {
		for i := range n {
			row[i] = nodeHash(&row[2*i], &row[2*i+1])
		}
	}
	return row[0]
}

func nodeHash(left, right *tlog.Hash) tlog.Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// leafHash is that of b[begin:end]. For its time it puts the 0 that goes before a
// leaf's bytes into b[begin-1], so that nothing is copied.
func leafHash(b []byte, begin, end int) tlog.Hash {
	was := b[begin-1]
	b[begin-1] = 0
	h := sha256.Sum256(b[begin-1 : end])
	b[begin-1] = was
	return h
}

// hashesOf reads hashes that lie one after another.
func hashesOf(b []byte) []tlog.Hash {
	all := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range all {
		copy(all[i][:], b[i*tlog.HashSize:])
	}
	return all
}
