package audit

import (
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// ReadHashes implements [tlog.HashReader] over the tiles on the disk. Hashes inside of
// a tile are computed from its lowest row.
func (r *Reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	var tile tlog.Tile
	var data []byte
	for i, index := range indexes {
		want := tlog.TileForIndex(layout.TileHeight, index)
		// Hashes that are asked for together often lie in one tile.
		if data == nil || want.L != tile.L || want.N != tile.N || want.W > tile.W {
			var err error
			if data, err = r.hashTile(want); err != nil {
				return nil, err
			}
			tile = want
		}
		h, err := tlog.HashFromTile(tile, data, index)
		if err != nil {
			return nil, fmt.Errorf("read hash %d of the tree: %w", index, err)
		}
		all[i] = h
	}
	return all, nil
}

// hashTile reads a tile of hashes; it may be a partial one.
func (r *Reader) hashTile(t tlog.Tile) ([]byte, error) {
	first := uint64(t.N) << layout.TileHeight
	if t.L < 0 || t.L >= layout.MaxLevels || uint64(t.N) > layout.MaxSize>>layout.TileHeight || first+uint64(t.W) > layout.LevelHashes(t.L, r.Size()) {
		return nil, fmt.Errorf("the tree of %d leaves has no tile %d of level %d that is %d wide", r.Size(), t.N, t.L, t.W)
	}
	name := layout.TileFile(t.L)
	f, err := r.open(&r.tiles[t.L], name)
	if err != nil {
		return nil, err
	}
	data := make([]byte, t.W*layout.HashSize)
	return data, readFull(f, name, data, first*layout.HashSize)
}

// trueTile reads all the hashes that a tile has in the tree of the state s, and holds
// them against what is above them.
func (r *Reader) trueTile(s *layout.State, level int, n int64) ([]byte, error) {
	first := uint64(n) << layout.TileHeight
	width := min(layout.TileWidth, layout.LevelHashes(level, s.Size)-first)
	t := tlog.Tile{H: layout.TileHeight, L: level, N: n, W: int(width)}
	data, err := r.hashTile(t)
	if err == nil {
		err = r.holdsTile(s, t, data)
	}
	return data, err
}

// holdsTile holds all the hashes that a tile has in the tree of the state s against what
// is above them: of a full tile, the one hash that the level above has for it; of one at
// the right edge, the roots of subtrees that the log's root is made of.
func (r *Reader) holdsTile(s *layout.State, t tlog.Tile, data []byte) error {
	var tile Tree
	for i := range t.W {
		tile.Push(tlog.Hash(data[i*layout.HashSize:(i+1)*layout.HashSize]), nil)
	}
	if t.W < layout.TileWidth {
		// The edge has a root for each bit of the size, the highest first; the tile has those
		// of its eight bits.
		above := bits.OnesCount64(s.Size >> (layout.TileHeight * (t.L + 1)))
		if !slices.Equal(tile.edge, s.Edge[above:above+len(tile.edge)]) {
			return corrupt(layout.TileFile(t.L), "has hashes at its places from %d on that do not make the root that the log of %d entries has", t.N<<layout.TileHeight, s.Size)
		}
		return nil
	}
	above, err := r.hashes(t.L+1, uint64(t.N), 1)
	if err != nil {
		return err
	}
	if tile.Root() != above[0] {
		return corrupt(layout.TileFile(t.L), "has hashes at its places from %d on that do not make the hash that level %d has for them", t.N<<layout.TileHeight, t.L+1)
	}
	return nil
}

// LeafHash gives the hash that the log has for a sequence.
func (r *Reader) LeafHash(seq uint64) (tlog.Hash, error) {
	all, err := r.LeafHashes(seq, seq)
	if err != nil {
		return tlog.Hash{}, err
	}
	return all[0], nil
}

// LeafHashes gives the hashes that the log has for the sequences first to last, all of
// which it must have.
func (r *Reader) LeafHashes(first, last uint64) ([]tlog.Hash, error) {
	if size := r.Size(); first == 0 || last > size || first > last {
		return nil, &NotYetError{last, size}
	}
	return r.hashes(0, first-1, last-first+1)
}

// hashes reads n hashes of a level of tiles, from the index first on.
func (r *Reader) hashes(level int, first, n uint64) ([]tlog.Hash, error) {
	name := layout.TileFile(level)
	f, err := r.open(&r.tiles[level], name)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n*layout.HashSize)
	if err := readFull(f, name, b, first*layout.HashSize); err != nil {
		return nil, err
	}
	all := make([]tlog.Hash, n)
	for i := range all {
		copy(all[i][:], b[i*layout.HashSize:])
	}
	return all, nil
}

// TreeAt gives the tree of the first size leaves.
func (r *Reader) TreeAt(size uint64) (tlog.Tree, error) {
	if now := r.Size(); size > now {
		return tlog.Tree{}, &NotYetError{size, now}
	}
	root, err := tlog.TreeHash(int64(size), r)
	return tlog.Tree{N: int64(size), Hash: root}, err
}
