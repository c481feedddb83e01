// Package plain opens files that are nothing but files. A named pipe in the place of one
// would keep whoever opens it waiting for ever, and deaf to signals.
package plain

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotPlain says that there is something else than a file.
var ErrNotPlain = errors.New("it is no plain file")

// Open opens a file for reading; a link to one is followed. Errors are
// [*fs.PathError]s, such as of [ErrNotPlain].
func Open(path string) (*os.File, error) {
	// Without waiting for whoever is to write into a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotPlain}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile reads a file.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
