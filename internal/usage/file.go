package usage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tokenledger/tokenledger/internal/durable"
)

// file is what the journal needs of an open segment. It is an interface so that
// tests can let a disk fill up or fail under a real file.
type file interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	// Datasync returns once the data and the size are on the disk.
	Datasync() error
	Close() error
}

type osFile struct{ *os.File }

func (f osFile) Datasync() error { return durable.Data(f.File) }

// createFile makes a file, or empties the one that stands there.
func createFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// syncPath syncs a file or a directory that is not open.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync usage journal: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync usage journal: %w", err)
	}
	return nil
}

// makeDir makes dir and sees to it that its name is on the disk.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make usage journal: %w", err)
	}
	return syncPath(filepath.Dir(filepath.Clean(dir)))
}
