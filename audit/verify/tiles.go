package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// entriesLevel is how tlog and torchwood name the level of the entry bundles.
const entriesLevel = -1

// maxBundle bounds a bundle of entries, in bytes.
const maxBundle = layout.TileWidth * (2 + layout.MaxLeaf)

// tiles is a log in the form of https://c2sp.org/tlog-tiles, wherever it lies.
type tiles struct {
	// get appends the file at a path, of at most limit bytes, to b. One that is not
	// there is [fs.ErrNotExist].
	get func(ctx context.Context, b []byte, path string, limit int64) ([]byte, error)
	// size is what the checkpoint was signed over.
	size uint64
}

func (t *tiles) leafFile(index uint64) string {
	return t.path(entriesLevel, index/layout.TileWidth)
}

func (t *tiles) tileFile(level int, n uint64) string { return t.path(level, n) }

// path is that of a tile in the tree of the checkpoint.
func (t *tiles) path(level int, n uint64) string {
	hashes := layout.LevelHashes(max(level, 0), t.size)
	return tilePath(level, n, int(min(layout.TileWidth, hashes-n*layout.TileWidth)))
}

func tilePath(level int, n uint64, width int) string {
	return torchwood.TilePath(tlog.Tile{H: layout.TileHeight, L: level, N: int64(n), W: width})
}

func (t *tiles) checkpoint(ctx context.Context) ([]byte, error) {
	signed, err := t.get(ctx, nil, layout.CheckpointFile, maxCheckpoint)
	return signed, problem(layout.CheckpointFile, "it is written last: an export without it is not complete; export the log again", err)
}

func (t *tiles) committed(_ context.Context, signed tlog.Tree) ([]mark, error) {
	t.size = uint64(signed.N)
	return nil, nil
}

// fetch appends a tile of a width to b. A partial tile may have been taken away
// since there is the full one: then whole says that b got that.
func (t *tiles) fetch(ctx context.Context, b []byte, level int, n uint64, width int, limit int64) (got []byte, path string, whole bool, err error) {
	path = tilePath(level, n, width)
	got, err = t.get(ctx, b, path, limit)
	if width < layout.TileWidth && errors.Is(err, fs.ErrNotExist) {
		full := tilePath(level, n, layout.TileWidth)
		got, fullErr := t.get(ctx, b, full, limit)
		if !errors.Is(fullErr, fs.ErrNotExist) {
			return got, full, true, problem(full, hintPartial, fullErr)
		}
	}
	return got, path, false, problem(path, hintPartial, err)
}

// hashes appends the first width hashes of a tile to b.
func (t *tiles) hashes(ctx context.Context, b []byte, level int, n uint64, width int) ([]byte, error) {
	at := len(b)
	b, path, whole, err := t.fetch(ctx, b, level, n, width, layout.TileWidth*layout.HashSize)
	if err != nil {
		return b[:at], err
	}
	has := width
	if whole {
		has = layout.TileWidth
	}
	if len(b)-at != has*layout.HashSize {
		return b[:at], bad(path, hintPartial, "it has %d bytes, and a tile of %d hashes has %d", len(b)-at, has, has*layout.HashSize)
	}
	return b[:at+width*layout.HashSize], nil
}

func (t *tiles) tile(ctx context.Context, level int, n uint64, width int) ([]byte, error) {
	return t.hashes(ctx, nil, level, n, width)
}

func (t *tiles) fill(ctx context.Context, c *chunk) {
	for done := 0; done < c.want && c.err == nil; done += layout.TileWidth {
		n := (c.first + uint64(done)) / layout.TileWidth
		width := min(layout.TileWidth, c.want-done)
		if c.err = t.entries(ctx, c, n, width); c.err != nil && c.n() == done {
			return
		}
		var err error
		if c.stored, err = t.hashes(ctx, c.stored, 0, n, width); err != nil {
			c.cut(done)
			c.err = err
			return
		}
		c.stored = c.stored[:c.n()*layout.HashSize]
	}
}

// entries adds the leaves of a bundle to the chunk.
func (t *tiles) entries(ctx context.Context, c *chunk, n uint64, width int) error {
	at := len(c.buf)
	b, path, whole, err := t.fetch(ctx, c.buf, entriesLevel, n, width, maxBundle)
	c.buf = b
	if err != nil {
		return err
	}
	for i := range width {
		seq := n*layout.TileWidth + uint64(i) + 1
		end, ok := entry(b, at)
		if !ok {
			return bad(path, hintPartial, "it ends within or before the entry of sequence %d", seq).at(seq)
		}
		// The byte before an entry is of its length, and no longer needed.
		c.begin, c.end = append(c.begin, at+2), append(c.end, end)
		at = end
	}
	if !whole && at != len(b) {
		return bad(path, hintPartial, "it has %d bytes behind its last entry, of sequence %d", len(b)-at, n*layout.TileWidth+uint64(width))
	}
	return nil
}

// entry gives the end of the entry whose length stands at a place of a bundle.
func entry(b []byte, at int) (end int, ok bool) {
	if at+2 > len(b) {
		return 0, false
	}
	end = at + 2 + int(binary.BigEndian.Uint16(b[at:]))
	return end, end <= len(b)
}

// miscut implements [Source]. A wrong length in a bundle is a wrong bundle.
func (t *tiles) miscut(*chunk, int) *Error { return nil }

// parsePath reads the path of a tile as the specification writes it.
func parsePath(path string) (tlog.Tile, bool) {
	tile, err := torchwood.ParseTilePath(path)
	return tile, err == nil && tile.L < layout.MaxLevels && tile.N >= 0 && torchwood.TilePath(tile) == path
}

// stale compares a partial tile of an earlier size with the tile that has taken its
// place.
func (t *tiles) stale(ctx context.Context, p tlog.Tile) error {
	path := torchwood.TilePath(p)
	hashes := layout.LevelHashes(max(p.L, 0), t.size)
	width := int(min(layout.TileWidth, hashes-uint64(p.N)*layout.TileWidth))
	limit := int64(maxBundle)
	if p.L >= 0 {
		limit = layout.TileWidth * layout.HashSize
	}
	old, err := t.get(ctx, nil, path, limit)
	if err != nil {
		return problem(path, hintPartial, err)
	}
	now, _, _, err := t.fetch(ctx, nil, p.L, uint64(p.N), width, limit)
	if err != nil {
		return err
	}
	want := p.W * layout.HashSize
	if p.L == entriesLevel {
		want = 0
		for range p.W {
			end, ok := entry(now, want)
			if !ok {
				return fmt.Errorf("read %s: it was changed meanwhile", t.path(p.L, uint64(p.N)))
			}
			want = end
		}
	}
	if len(now) < want || string(old) != string(now[:want]) {
		return bad(path, hintKeep, "it was published for an earlier size, and differs from %s", t.path(p.L, uint64(p.N)))
	}
	return nil
}
