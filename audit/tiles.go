package audit

import (
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// TileWidth is how many hashes, or entries, a full tile has.
const TileWidth = layout.TileWidth

// entriesLevel is how tlog and torchwood name the level of the entry bundles.
const entriesLevel = -1

// TileError says that there is no such tile.
type TileError struct {
	Path    string
	Problem string
}

func (e *TileError) Error() string { return fmt.Sprintf("there is no tile %s: %s", e.Path, e.Problem) }

// ParseTile reads a tile's path as https://c2sp.org/tlog-tiles writes it, such as
// "tile/0/x001/067" or "tile/entries/000.p/12". entries says that it is a bundle of
// entries. Its error is a [*TileError].
func ParseTile(path string) (t tlog.Tile, entries bool, err error) {
	t, err = torchwood.ParseTilePath(path)
	// The parser takes tile/data, too, which is another format's name for the entries.
	if err != nil || torchwood.TilePath(t) != path {
		return t, false, &TileError{path, "this is no tile's path"}
	}
	return t, t.L == entriesLevel, nil
}

// Tile gives the bytes of a tile: hashes, or a bundle of entries. Any width that the
// log has by now can be asked for.
func (r *Reader) Tile(t tlog.Tile) ([]byte, error) {
	if err := r.hasTile(t); err != nil {
		return nil, err
	}
	first := uint64(t.N) << layout.TileHeight
	if t.L != entriesLevel {
		return r.hashTile(t)
	}
	var bundle []byte
	err := r.Leaves(first+1, first+uint64(t.W), func(_ uint64, leaf []byte) (err error) {
		bundle, err = torchwood.AppendTileEntry(bundle, leaf)
		return err
	})
	return bundle, err
}

// ProvenTile is [Reader.Tile] for those who cannot look at what it was read from: hashes,
// too, are held against what is above them in the tree, which is one read more.
func (r *Reader) ProvenTile(t tlog.Tile) ([]byte, error) {
	if t.L == entriesLevel {
		return r.Tile(t)
	}
	if err := r.hasTile(t); err != nil {
		return nil, err
	}
	// A part of a tile has no hash of its own above it, so all of the tile is held.
	all, err := r.trueTile(r.state.Load(), t.L, t.N)
	if err != nil {
		return nil, err
	}
	return all[:t.W*layout.HashSize], nil
}

// hasTile looks whether the log has come as far as a tile.
func (r *Reader) hasTile(t tlog.Tile) error {
	size := r.Size()
	have := layout.LevelHashes(max(t.L, 0), size)
	if t.N < 0 || t.L >= layout.MaxLevels || uint64(t.N) > have>>layout.TileHeight || uint64(t.N)<<layout.TileHeight+uint64(t.W) > have {
		return &TileError{torchwood.TilePath(t), fmt.Sprintf("the log has %d leaves", size)}
	}
	return nil
}

// Tiles lists the tiles that publish the tree of the first size leaves: all full ones,
// and on the right edge the partial ones.
func Tiles(size uint64, each func(tlog.Tile) error) error {
	for level := entriesLevel; level < layout.MaxLevels; level++ {
		hashes := layout.LevelHashes(max(level, 0), size)
		for n := uint64(0); n*layout.TileWidth < hashes; n++ {
			w := min(layout.TileWidth, hashes-n*layout.TileWidth)
			if err := each(tlog.Tile{H: layout.TileHeight, L: level, N: int64(n), W: int(w)}); err != nil {
				return err
			}
		}
	}
	return nil
}
