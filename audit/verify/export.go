package verify

import (
	"context"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// export is a directory of tiles.
type export struct {
	tiles
	root string
	// partials is what was published for earlier sizes.
	partials []tlog.Tile
}

// Export is a directory of https://c2sp.org/tlog-tiles: a checkpoint, and tiles below
// tile/. Tiles that its checkpoint does not need are verified as far as it reaches,
// and warned of behind that.
func Export(path string) Source {
	e := &export{root: path}
	e.get = func(_ context.Context, b []byte, name string, limit int64) ([]byte, error) {
		return appendPlain(b, filepath.Join(path, filepath.FromSlash(name)), limit)
	}
	return e
}

func (e *export) workers() int { return fileWorkers() }

func (e *export) survey(ctx context.Context) ([]Warning, error) {
	return walk(ctx, e.root, func(name string, isDir bool) string {
		if name == layout.CheckpointFile && !isDir || isDir && tileDir(name) {
			return ""
		}
		tile, ok := parsePath(name)
		if isDir || !ok {
			return "it is no part of the log"
		}
		hashes := layout.LevelHashes(max(tile.L, 0), e.size)
		first := uint64(tile.N) * layout.TileWidth
		switch {
		case first+uint64(tile.W) > hashes:
			return "it lies behind the checkpoint, of an export that was not finished, and is not verified"
		case tile.W < layout.TileWidth && first+uint64(tile.W) != hashes:
			e.partials = append(e.partials, tile)
		}
		return ""
	})
}

// tileDir reports whether a directory may hold tiles.
func tileDir(name string) bool {
	if name == "tile" || name == "tile/entries" {
		return true
	}
	for _, inside := range []string{"/000", "/x000/000", "/1"} {
		if _, ok := parsePath(name + inside); ok {
			return true
		}
	}
	return false
}

// finish verifies what was published for earlier sizes.
func (e *export) finish(ctx context.Context) ([]Warning, error) {
	for _, p := range e.partials {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := e.stale(ctx, p); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (e *export) close() error { return nil }
