package audit_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"

	"github.com/tokenledger/tokenledger/audit"
)

// faultFS is a file system in memory that knows what a disk would have kept: what was
// written and not synced may be there after a power cut, or not, or in part; a name
// that was made and whose directory was not synced, likewise. It can fail or stop at
// any operation that changes something.
type faultFS struct {
	mu    sync.Mutex
	names map[string]*faultFile // as a process sees them
	kept  map[string]*faultFile // as the disk has them for certain
	// ops counts the operations; the one with the number at gets fault.
	ops, at int
	fault   error
	torn    bool // the write that fails is done in part
	// dead has everything fail from the fault on: the process was killed.
	dead    bool
	stopped bool
}

var (
	errKilled = errors.New("the process was killed")
	errFull   = errors.New("no space left on device")
	errIO     = errors.New("input/output error")
)

func newFaultFS() *faultFS {
	return &faultFS{names: map[string]*faultFile{}, kept: map[string]*faultFile{}}
}

// page is as large as what a disk writes whole.
const page = 512

// pages is a file's content. Pages are never changed in place, so copies share them.
type pages struct {
	size int64
	data []*[page]byte
}

func (p *pages) clone() pages { return pages{p.size, slices.Clone(p.data)} }

func (p *pages) write(b []byte, at int64) {
	for len(b) > 0 {
		i, in := int(at/page), int(at%page)
		for len(p.data) <= i {
			p.data = append(p.data, new([page]byte))
		}
		fresh := *p.data[i]
		n := copy(fresh[in:], b)
		p.data[i] = &fresh
		b, at = b[n:], at+int64(n)
		p.size = max(p.size, at)
	}
}

func (p *pages) truncate(size int64) {
	if size < p.size {
		p.data = p.data[:(size+page-1)/page]
		if in := size % page; in > 0 {
			fresh := *p.data[len(p.data)-1]
			clear(fresh[in:])
			p.data[len(p.data)-1] = &fresh
		}
	}
	p.size = size
}

func (p *pages) bytes() []byte {
	b := make([]byte, 0, len(p.data)*page)
	for _, d := range p.data {
		b = append(b, d[:]...)
	}
	return b[:p.size]
}

// faultFile is a file; several handles may have it open.
type faultFile struct {
	fs        *faultFS
	now, disk pages
	pending   []func(*pages) // since the last sync, each of a page at most
}

// step counts an operation and gives its fault; mu is held.
func (f *faultFS) step() error {
	if f.stopped {
		return errKilled
	}
	if f.ops++; f.at == 0 || f.ops != f.at {
		return nil
	}
	f.stopped = f.dead
	return f.fault
}

// after gives the disk as the next process finds it: with everything after a kill -9;
// with what was synced, and by chance some of the rest, after a power cut.
func (f *faultFS) after(powerCut bool, rng *rand.Rand) *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := newFaultFS()
	names := maps.Clone(f.names)
	if powerCut {
		names = maps.Clone(f.kept)
		for name, file := range f.names {
			if f.kept[name] != file && rng.IntN(2) == 0 {
				names[name] = file
			}
		}
		for name := range f.kept {
			if f.names[name] == nil && rng.IntN(2) == 0 {
				delete(names, name)
			}
		}
	}
	for name, file := range names {
		content := file.now.clone()
		if powerCut {
			content = file.disk.clone()
			for _, change := range file.pending {
				if rng.IntN(2) == 0 {
					change(&content)
				}
			}
		}
		copied := &faultFile{fs: next, now: content, disk: content.clone()}
		next.names[name], next.kept[name] = copied, copied
	}
	return next
}

func (f *faultFS) Open(name string, write bool) (audit.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, ok := f.names[name]
	if !ok && !write {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if !ok {
		if err := f.step(); err != nil {
			return nil, err
		}
		file = &faultFile{fs: f}
		f.names[name] = file
	}
	return file, nil
}

func (f *faultFS) ReadFile(name string) ([]byte, error) {
	file, err := f.Open(name, false)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return file.(*faultFile).now.bytes(), nil
}

func (f *faultFS) MkdirAll(string) error { return nil }

func (f *faultFS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(); err != nil {
		return err
	}
	for name := range f.kept {
		if path.Dir(name) == dir && f.names[name] == nil {
			delete(f.kept, name)
		}
	}
	for name, file := range f.names {
		if path.Dir(name) == dir {
			f.kept[name] = file
		}
	}
	return nil
}

func (f *faultFS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(); err != nil {
		return err
	}
	f.names[to] = f.names[from]
	delete(f.names, from)
	return nil
}

func (f *faultFS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(); err != nil {
		return err
	}
	delete(f.names, name)
	return nil
}

func (f *faultFS) List(dir string) (names []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.names {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// equal compares the content of a file on two disks.
func equal(a, b *faultFile) bool {
	if a == nil || b == nil || a.now.size != b.now.size || len(a.now.data) != len(b.now.data) {
		return false
	}
	for i, p := range a.now.data {
		if q := b.now.data[i]; p != q && *p != *q {
			return false
		}
	}
	return true
}

func (f *faultFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := 0
	for n < len(b) && at < f.now.size {
		d := f.now.data[at/page]
		m := copy(b[n:], d[at%page:min(page, at%page+f.now.size-at)])
		n, at = n+m, at+int64(m)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *faultFile) WriteAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step()
	if err != nil {
		if !f.fs.torn {
			return 0, err
		}
		b = b[:len(b)/2]
	}
	n := len(b)
	for len(b) > 0 {
		piece := slices.Clone(b[:min(int64(len(b)), page-at%page)])
		place := at
		change := func(p *pages) { p.write(piece, place) }
		change(&f.now)
		f.pending = append(f.pending, change)
		b, at = b[len(piece):], at+int64(len(piece))
	}
	return n, err
}

func (f *faultFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step(); err != nil {
		return err
	}
	change := func(p *pages) { p.truncate(size) }
	change(&f.now)
	f.pending = append(f.pending, change)
	return nil
}

// Sync that fails forgets what was to be written, as Linux does: the next one succeeds
// without it.
func (f *faultFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step()
	if err == nil {
		f.disk = f.now.clone()
	}
	f.pending = nil
	return err
}

func (f *faultFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.now.size, nil
}

func (f *faultFile) Close() error { return nil }
