package audit

import (
	"fmt"

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
	if t.L < 0 || t.L >= layout.MaxLevels || first+uint64(t.W) > layout.LevelHashes(t.L, r.Size()) {
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

// LeafHash gives the hash that the log has for a sequence.
func (r *Reader) LeafHash(seq uint64) (h tlog.Hash, err error) {
	if size := r.Size(); seq == 0 || seq > size {
		return h, &NotYetError{seq, size}
	}
	f, err := r.open(&r.tiles[0], layout.TileFile(0))
	if err != nil {
		return h, err
	}
	return h, readFull(f, layout.TileFile(0), h[:], (seq-1)*layout.HashSize)
}

// LeafHashes reads the hashes that the log has for the sequences first to last, which
// it must have.
func (r *Reader) LeafHashes(first, last uint64) ([]tlog.Hash, error) {
	if size := r.Size(); first == 0 || last > size || first > last {
		return nil, &NotYetError{last, size}
	}
	f, err := r.open(&r.tiles[0], layout.TileFile(0))
	if err != nil {
		return nil, err
	}
	b := make([]byte, (last-first+1)*layout.HashSize)
	if err := readFull(f, layout.TileFile(0), b, (first-1)*layout.HashSize); err != nil {
		return nil, err
	}
	all := make([]tlog.Hash, last-first+1)
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
