package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Warning is something that does not make the log untrue.
type Warning struct {
	// File is the name within the log.
	File string `json:"file"`
	// Problem says what is odd about it.
	Problem string `json:"problem"`
}

func (w Warning) String() string { return w.File + ": " + w.Problem }

// maxWarnings bounds how many are kept of a kind.
const maxWarnings = 100

// walk goes over all names below root. odd says what is odd about a file or directory,
// "" if nothing is. Whatever is neither is an error: who reads the log might wait for
// it for ever, or be led elsewhere.
func walk(ctx context.Context, root string, odd func(name string, isDir bool) string) (warnings []Warning, err error) {
	// The root itself may be a symbolic link.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	more := 0
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case path == root:
			return err
		case errors.Is(err, fs.ErrNotExist):
			return nil // of a node that runs
		case err != nil:
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !e.IsDir() && !e.Type().IsRegular() {
			return problem(name, "take it away; if a file of the log belongs there, put that back from a backup", errNotPlain)
		}
		if text := odd(name, e.IsDir()); text != "" {
			if len(warnings) < maxWarnings {
				warnings = append(warnings, Warning{name, text})
			} else {
				more++
			}
			if e.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	if more > 0 {
		warnings = append(warnings, Warning{".", fmt.Sprintf("there are %d more such files", more)})
	}
	return warnings, err
}
