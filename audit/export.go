package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// ExportError says that a log cannot be exported into a directory. What was there is as
// it was.
type ExportError struct {
	Dir     string
	Problem string
}

func (e *ExportError) Error() string { return e.Dir + ": " + e.Problem }

// ExportTiles writes the log as a static directory of https://c2sp.org/tlog-tiles: what
// the signed checkpoint covers, and the checkpoint last. Each file is synced before it
// gets its name, and all names before the checkpoint gets its: an export without one
// was interrupted, and the next call goes on with it.
//
// The directory is made if it does not exist. It may be empty, or hold an earlier
// export of this log: then what is missing is added, and partial tiles of the earlier
// size stay. progress may be nil; it is told how many entries are there.
//
// Directories have the mode 0700 and files 0600: entries say who used what, and who
// publishes them decides who may read them.
//
// Errors: an [*ExportError]; a [*CorruptError], if the log does not have the root that
// the checkpoint was signed over; a [*NotYetError]; those of the file system.
func ExportTiles(r *Reader, checkpoint []byte, dir string, progress func(done, total uint64)) error {
	cp, err := parseCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	size := uint64(cp.N)
	if err := sameRoot(r, cp); err != nil {
		return err
	}
	if err := r.prove(r.state.Load()); err != nil {
		return err
	}
	x := &export{reader: r, dir: dir}
	if x.earlier, err = earlierExport(r, dir, cp); err != nil {
		return err
	}
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	err = Tiles(size, func(t tlog.Tile) error {
		if err := x.put(t); err != nil {
			return err
		}
		if t.L == entriesLevel {
			progress(uint64(t.N)<<layout.TileHeight+uint64(t.W), size)
		}
		return nil
	})
	if err == nil {
		err = os.MkdirAll(dir, 0o700) // of a log without entries
	}
	if err == nil {
		err = syncDirs(dir)
	}
	if err == nil {
		err = x.write(layout.CheckpointFile, checkpoint)
	}
	if err != nil {
		return err
	}
	return Dir(dir).SyncDir(".")
}

// sameRoot looks whether the log has what a checkpoint was signed over.
func sameRoot(r *Reader, cp torchwood.Checkpoint) error {
	tree, err := r.TreeAt(uint64(cp.N))
	if err != nil {
		return err
	}
	if tree.Hash != cp.Hash {
		return corrupt(layout.CheckpointFile, "was signed over %d entries with the root %s, and the log's hashes make the root %s", cp.N, cp.Hash, tree.Hash)
	}
	return nil
}

// tileRoot is the directory that all tiles lie in.
const tileRoot = "tile"

// earlierExport looks what is in the directory, and gives the size of the export that is
// complete there, or 0.
func earlierExport(r *Reader, dir string, now torchwood.Checkpoint) (uint64, error) {
	there, err := Dir(dir).ReadFile(layout.CheckpointFile)
	if errors.Is(err, fs.ErrNotExist) {
		names, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, e := range names {
			if name := e.Name(); name != layout.CheckpointFile+layout.NewSuffix && (name != tileRoot || !e.IsDir()) {
				return 0, &ExportError{dir, fmt.Sprintf("there is %q in it, which is of no export: give an empty directory, or that of an earlier export", name)}
			}
		}
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	cp, err := parseCheckpoint(there)
	if err != nil || cp.Origin != now.Origin {
		return 0, &ExportError{dir, "its checkpoint is not of this log: give an empty directory, or that of an earlier export"}
	}
	if cp.N > now.N {
		return 0, &ExportError{dir, fmt.Sprintf("it has %d entries, and the checkpoint to be exported %d: a newer export is there", cp.N, now.N)}
	}
	if err := sameRoot(r, cp); err != nil {
		return 0, &ExportError{dir, fmt.Sprintf("its checkpoint over %d entries is not of this log as it is now (%v): keep it, and verify both; then give an empty directory", cp.N, err)}
	}
	return uint64(cp.N), nil
}

// export writes the files of an export.
type export struct {
	reader  *Reader
	dir     string
	earlier uint64 // the size of the export that is there
	made    string // the directory that was made last
}

// put writes a tile, unless it is there.
func (x *export) put(t tlog.Tile) error {
	name := torchwood.TilePath(t)
	path := filepath.Join(x.dir, filepath.FromSlash(name))
	info, err := os.Lstat(path)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if end := (uint64(t.N) + 1) << layout.TileHeight; there && info.Mode().IsRegular() && t.W == layout.TileWidth && end <= layout.LevelHashes(max(t.L, 0), x.earlier) {
		return nil // complete, since its checkpoint is there
	}
	data, err := x.reader.Tile(t)
	if err == nil && t.L != entriesLevel && t.W == layout.TileWidth {
		err = x.reader.holdsTile(x.reader.state.Load(), t, data)
	}
	if err != nil {
		return err
	}
	if there {
		have, err := Dir(x.dir).ReadFile(name)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, data) {
			return &ExportError{x.dir, fmt.Sprintf("%s is there, and is not what this log has for it: give an empty directory", name)}
		}
		return nil
	}
	return x.write(name, data)
}

// write gives a file its name once it is synced.
func (x *export) write(name string, data []byte) error {
	path := filepath.Join(x.dir, filepath.FromSlash(name))
	if into := filepath.Dir(path); into != x.made {
		if err := os.MkdirAll(into, 0o700); err != nil {
			return err
		}
		x.made = into
	}
	f, err := os.OpenFile(path+layout.NewSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = joinClose(err, f); err != nil {
		return err
	}
	return os.Rename(path+layout.NewSuffix, path)
}

// syncDirs makes the names below dir durable.
func syncDirs(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() {
			return nil
		}
		return Dir(path).SyncDir(".")
	})
}
