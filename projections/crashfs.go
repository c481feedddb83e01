package projections

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// crashFS turns the first failure of a write into an orderly end.
//
// Pebble panics with its locks held, or calls its Logger's Fatalf, when it cannot
// write its log, and it retries for ever when it cannot flush. Either would take down,
// or hang, the process that also runs the broker. So the first write that fails
// (no space, an I/O error, a failed fsync) is reported to onFailure and from then on
// nothing reaches the disk: files stay as they are at that moment, as after a power
// cut, which Pebble's recovery is made for. Pebble itself goes on over files in
// memory, so that whoever waits inside it comes out again, until it is closed. The
// store above answers nothing from the moment onFailure is called, so what exists in
// memory only is never seen.
type crashFS struct {
	vfs.FS
	onFailure func(error)
	// armed is false while the database is being opened: then errors are the
	// opener's to return.
	armed  atomic.Bool
	failed atomic.Bool
	once   sync.Once
	mem    *vfs.MemFS
}

func newCrashFS(base vfs.FS, onFailure func(error)) *crashFS {
	return &crashFS{FS: base, onFailure: onFailure, mem: vfs.NewMem()}
}

// fail records that err ended the store. No write reaches the disk after it returns.
func (c *crashFS) fail(err error) {
	c.failed.Store(true)
	c.once.Do(func() { c.onFailure(err) })
}

// swallow reports whether the failure err of a write is to be hidden from Pebble.
func (c *crashFS) swallow(err error) bool {
	if err == nil || !c.armed.Load() {
		return false
	}
	c.fail(err)
	return true
}

// memCreate makes a file that exists in memory only.
func (c *crashFS) memCreate(name string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	if err := c.mem.MkdirAll(c.PathDir(name), 0o700); err != nil {
		return nil, err
	}
	return c.mem.Create(name, cat)
}

func (c *crashFS) inMem(name string) bool {
	if !c.failed.Load() {
		return false
	}
	_, err := c.mem.Stat(name)
	return err == nil
}

// Create implements [vfs.FS].
func (c *crashFS) Create(name string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	if c.failed.Load() {
		return c.memCreate(name, cat)
	}
	f, err := c.FS.Create(name, cat)
	if c.swallow(err) {
		return c.memCreate(name, cat)
	}
	if err != nil {
		return nil, err
	}
	return &crashFile{File: f, fs: c}, nil
}

// ReuseForWrite implements [vfs.FS].
func (c *crashFS) ReuseForWrite(oldname, newname string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	if c.failed.Load() {
		return c.memCreate(newname, cat)
	}
	f, err := c.FS.ReuseForWrite(oldname, newname, cat)
	if c.swallow(err) {
		return c.memCreate(newname, cat)
	}
	if err != nil {
		return nil, err
	}
	return &crashFile{File: f, fs: c}, nil
}

// OpenReadWrite implements [vfs.FS].
func (c *crashFS) OpenReadWrite(name string, cat vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if c.failed.Load() {
		return c.mem.OpenReadWrite(name, cat, opts...)
	}
	f, err := c.FS.OpenReadWrite(name, cat, opts...)
	if err != nil {
		return nil, err
	}
	return &crashFile{File: f, fs: c}, nil
}

// Open implements [vfs.FS].
func (c *crashFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if c.inMem(name) {
		return c.mem.Open(name, opts...)
	}
	return c.FS.Open(name, opts...)
}

// OpenDir implements [vfs.FS].
func (c *crashFS) OpenDir(name string) (vfs.File, error) {
	f, err := c.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &crashFile{File: f, fs: c}, nil
}

// Link implements [vfs.FS].
func (c *crashFS) Link(oldname, newname string) error {
	if !c.failed.Load() {
		if err := c.FS.Link(oldname, newname); !c.swallow(err) {
			return err
		}
	}
	return c.memCopy(oldname, newname)
}

// Rename implements [vfs.FS].
func (c *crashFS) Rename(oldname, newname string) error {
	if !c.failed.Load() {
		if err := c.FS.Rename(oldname, newname); !c.swallow(err) {
			return err
		}
	}
	if c.inMem(oldname) {
		return c.mem.Rename(oldname, newname)
	}
	return c.memCopy(oldname, newname)
}

// memCopy gives newname, in memory, the content that oldname has.
func (c *crashFS) memCopy(oldname, newname string) error {
	if err := c.mem.MkdirAll(c.PathDir(newname), 0o700); err != nil {
		return err
	}
	return vfs.CopyAcrossFS(c, oldname, c.mem, newname)
}

// Remove implements [vfs.FS]. A file that cannot be removed harms nothing.
func (c *crashFS) Remove(name string) error {
	if c.inMem(name) {
		return c.mem.Remove(name)
	}
	if c.failed.Load() {
		return nil
	}
	return c.FS.Remove(name)
}

// RemoveAll implements [vfs.FS].
func (c *crashFS) RemoveAll(name string) error {
	if c.failed.Load() {
		return nil
	}
	return c.FS.RemoveAll(name)
}

// MkdirAll implements [vfs.FS].
func (c *crashFS) MkdirAll(dir string, perm os.FileMode) error {
	if !c.failed.Load() {
		if err := c.FS.MkdirAll(dir, perm); !c.swallow(err) {
			return err
		}
	}
	return c.mem.MkdirAll(dir, perm)
}

// Stat implements [vfs.FS].
func (c *crashFS) Stat(name string) (vfs.FileInfo, error) {
	if c.inMem(name) {
		return c.mem.Stat(name)
	}
	return c.FS.Stat(name)
}

// List implements [vfs.FS].
func (c *crashFS) List(dir string) ([]string, error) {
	names, err := c.FS.List(dir)
	if err != nil || !c.failed.Load() {
		return names, err
	}
	more, err := c.mem.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Unwrap implements [vfs.FS].
func (c *crashFS) Unwrap() vfs.FS { return c.FS }

// crashFile is a file open for writing.
type crashFile struct {
	vfs.File
	fs *crashFS
}

// write runs one write of a file, unless the store has failed.
func (f *crashFile) write(op func() error) error {
	if f.fs.failed.Load() {
		return nil
	}
	if err := op(); !f.fs.swallow(err) {
		return err
	}
	return nil
}

// Write implements [vfs.File].
func (f *crashFile) Write(p []byte) (int, error) {
	err := f.write(func() error { _, err := f.File.Write(p); return err })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt implements [vfs.File].
func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.write(func() error { _, err := f.File.WriteAt(p, off); return err })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sync implements [vfs.File].
func (f *crashFile) Sync() error { return f.write(f.File.Sync) }

// SyncData implements [vfs.File].
func (f *crashFile) SyncData() error { return f.write(f.File.SyncData) }

// SyncTo implements [vfs.File].
func (f *crashFile) SyncTo(length int64) (full bool, err error) {
	err = f.write(func() error {
		var err error
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Preallocate implements [vfs.File]. It is advice: when it fails, the write that
// needed the space says so.
func (f *crashFile) Preallocate(offset, length int64) error {
	if !f.fs.failed.Load() {
		_ = f.File.Preallocate(offset, length)
	}
	return nil
}

// Close implements [vfs.File].
func (f *crashFile) Close() error {
	if err := f.File.Close(); !f.fs.swallow(err) {
		return err
	}
	return nil
}
