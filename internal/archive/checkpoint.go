package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// Checkpoint reads the newest signed checkpoint of the log in dir, which must be by the
// key. A log without one gives a tree of no entries. Where a writer may go on, read it
// before the state: it is never ahead of that. Errors: a [*DamageError], those of the
// file system.
func Checkpoint(dir string, key note.Verifier) (signed []byte, tree tlog.Tree, err error) {
	signed, err = plain.ReadFile(filepath.Join(dir, layout.CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tree, nil
	} else if err != nil {
		return nil, tree, err
	}
	tree, err = OpenCheckpoint(signed, key)
	return signed, tree, err
}

// OpenCheckpoint reads a signed checkpoint, which must be by the key.
func OpenCheckpoint(signed []byte, key note.Verifier) (tlog.Tree, error) {
	cp, err := audit.OpenCheckpoint(signed, key)
	if err != nil {
		return tlog.Tree{}, &DamageError{File: layout.CheckpointFile, Problem: fmt.Sprintf("is not one that the key %s has signed: %v", key.Name(), err)}
	}
	return cp.Tree, nil
}
