package verify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// Found is a log in a directory.
type Found struct {
	// Dir is the log's own directory.
	Dir string
	// DataDir is the data directory that it belongs to, "" for an export.
	DataDir string
}

// Source gives the log to [Verify].
func (f Found) Source() Source {
	if f.DataDir == "" {
		return Export(f.Dir)
	}
	return Dir(f.Dir)
}

// Find looks which form of a log lies in a directory: a data directory, its audit/
// directory, or an export. Errors: a [*NoLogError].
func Find(path string) (Found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Found{}, &NoLogError{path, "there is no audit log", err}
	}
	if !info.IsDir() {
		return Found{}, &NoLogError{path, "is no directory: give a data directory or an export", nil}
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if _, err := os.Lstat(filepath.Join(path, name)); !errors.Is(err, fs.ErrNotExist) {
				return true
			}
		}
		return false
	}
	switch {
	case has("audit"):
		return Found{filepath.Join(path, "audit"), path}, nil
	case has(layout.EntriesDir, layout.TilesDir, layout.OffsetsFile, layout.StateFile):
		return Found{path, filepath.Join(path, "..")}, nil
	case has("tile", layout.CheckpointFile):
		return Found{path, ""}, nil
	case has("keys", "stream"):
		return Found{}, &NoLogError{path, "is a data directory without audit/: a node of this version makes it at its start; if one ran here, put it back from a backup", nil}
	}
	return Found{}, &NoLogError{path, "holds no audit log: give a data directory, its audit directory or an export", nil}
}
