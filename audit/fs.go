package audit

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// FS is the file system that a log lies on, as far as a log needs one. Names are
// relative to the log's directory, with slashes.
type FS interface {
	// Open opens a file for reading, and for writing too if write is set; then it
	// is made if it does not exist. An error of a file that is not there is
	// [fs.ErrNotExist].
	Open(name string, write bool) (File, error)
	// ReadFile reads a small file.
	ReadFile(name string) ([]byte, error)
	// MkdirAll makes a directory. "." is the log's own.
	MkdirAll(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	Rename(from, to string) error
	Remove(name string) error
	// List gives the names in a directory.
	List(dir string) ([]string, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes what was written durable, with the file's size.
	Sync() error
}

// osFS is a directory of the operating system.
type osFS struct{ dir string }

// Dir gives the file system of a directory.
func Dir(dir string) FS { return osFS{dir} }

func (o osFS) path(name string) string { return filepath.Join(o.dir, filepath.FromSlash(name)) }

// Open implements [FS]. What is not a plain file is a [*CorruptError]: to open a named
// pipe would wait for ever.
func (o osFS) Open(name string, write bool) (File, error) {
	path := o.path(name)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &CorruptError{name, "is no plain file; a log has nothing else in its place", &fs.PathError{Op: "open", Path: path, Err: plain.ErrNotPlain}}
	}
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// ReadFile implements [FS].
func (o osFS) ReadFile(name string) ([]byte, error) {
	f, err := o.Open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, 0, size))
}

// MkdirAll implements [FS].
func (o osFS) MkdirAll(name string) error { return os.MkdirAll(o.path(name), 0o700) }

// SyncDir implements [FS].
func (o osFS) SyncDir(name string) error { return durable.Dir(o.path(name)) }

// Rename implements [FS].
func (o osFS) Rename(from, to string) error { return os.Rename(o.path(from), o.path(to)) }

// Remove implements [FS].
func (o osFS) Remove(name string) error { return os.Remove(o.path(name)) }

// List implements [FS].
func (o osFS) List(dir string) (names []string, err error) {
	entries, err := os.ReadDir(o.path(dir))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

type osFile struct{ *os.File }

// Size implements [File].
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync implements [File].
func (f osFile) Sync() error { return durable.Data(f.File) }
