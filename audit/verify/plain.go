package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// errNotPlain is that of what is neither a file nor a directory.
var errNotPlain = errors.New("it is no plain file")

// errTooLarge is that of a file that is larger than what it may be.
var errTooLarge = errors.New("it is larger than such a file is")

// openPlain opens a file for reading. What is no plain file is refused, and never
// waited for: to open a named pipe would take for ever.
func openPlain(path string) (*os.File, int64, error) {
	if info, err := os.Lstat(path); err != nil {
		return nil, 0, err
	} else if !info.Mode().IsRegular() {
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: errNotPlain}
	}
	// It may have changed since.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNotPlain}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// appendPlain appends what a file of at most limit bytes holds to b.
func appendPlain(b []byte, path string, limit int64) ([]byte, error) {
	f, size, err := openPlain(path)
	if err != nil {
		return b, err
	}
	defer f.Close()
	if size > limit {
		return b, fmt.Errorf("%s: %w", path, errTooLarge)
	}
	at := len(b)
	b = append(b, make([]byte, size)...)
	n, err := io.ReadFull(f, b[at:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // it is shorter by now
	}
	return b[:at+n], err
}

// readPlain reads a file of at most limit bytes.
func readPlain(path string, limit int64) ([]byte, error) { return appendPlain(nil, path, limit) }

// ReadFile reads a small file, such as a remembered checkpoint or a proof, of at most
// limit bytes. It refuses what is no plain file, and a larger one.
func ReadFile(path string, limit int64) ([]byte, error) { return readPlain(path, limit) }

// problem makes an Error of what went wrong with a file of the log, where the file
// itself is the problem; another error stays as it is.
func problem(file, hint string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bad(file, hint, "it is missing")
	case errors.Is(err, errNotPlain):
		return bad(file, hint, "it is no plain file; a log has nothing else in its place")
	case errors.Is(err, errTooLarge):
		return bad(file, hint, "it is larger than such a file can be")
	}
	return err
}
