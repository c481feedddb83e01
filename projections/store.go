package projections

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// store is the open database with what makes it safe to share: whoever uses it holds
// a reference, and Close waits for the references; and once it has failed it
// answers nothing more.
type store struct {
	cfg    Config
	dir    string
	logger *slog.Logger
	db     *pebble.DB
	fs     vfs.FS
	tables sstable.WriterOptions // how the database writes its tables

	fatal    atomic.Pointer[FatalError]
	failed   chan struct{} // closed when fatal is set
	panicked atomic.Bool   // Pebble panicked: its locks may be held

	refs    atomic.Int64  // users inside, plus closing
	drained chan struct{} // holds one when refs came down to closing
}

// closing is added to store.refs when nobody may enter any more.
const closing = 1 << 40

// openStore opens the database in dir, and makes it if it does not exist. It writes
// nothing into a database that is newer than the code or foreign to it.
func openStore(cfg Config, ps []Projection) (*store, error) {
	dir := cfg.Dir
	s := &store{cfg: cfg, dir: dir, logger: cfg.Logger, failed: make(chan struct{}), drained: make(chan struct{}, 1)}
	cfs := newCrashFS(cfg.FS, s.fail)

	if err := cfs.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open projections store in %s: %w", dir, err)
	}
	_ = cfs.Remove(cfs.PathJoin(dir, tableFile)) // a crash, or a full disk, may have left it
	// Opening writes what the log holds to a file. Where the disk is too full for that,
	// Pebble fails in ways of its own: it tries for ever, or panics on a goroutine.
	_, needed := cfg.sizes()
	if usage, err := cfs.GetDiskUsage(dir); err == nil && usage.AvailBytes < uint64(needed) {
		return nil, fmt.Errorf("open projections store in %s: %w: %d MB are left on the device and %d are needed to start; make room (nothing was changed)",
			dir, syscall.ENOSPC, usage.AvailBytes/1e6, needed/1_000_000)
	}
	desc, err := pebble.Peek(dir, cfs)
	if err != nil {
		return nil, fmt.Errorf("open projections store in %s: %w", dir, err)
	}
	if desc.Exists {
		if foreignOptions(cfs, desc.OptionsFilename) {
			return nil, &ForeignError{Dir: dir}
		}
		if err := s.inspect(cfs, ps); err != nil {
			return nil, err
		}
	}
	if err := s.open(cfs, ps, false); err != nil {
		return nil, err
	}
	cfs.armed.Store(true)
	return s, nil
}

// foreignOptions reports whether the options that a database was last opened with are
// those of something else. Pebble would say so in words of its own.
func foreignOptions(fs vfs.FS, name string) bool {
	if name == "" {
		return false
	}
	f, err := fs.Open(name)
	if err != nil {
		return false // opening the database says why
	}
	defer f.Close()
	options, err := io.ReadAll(f)
	return err == nil && bytes.Contains(options, []byte("\n  merger=")) && !bytes.Contains(options, []byte("\n  merger="+mergerName+"\n"))
}

// inspect opens the database for reading only and refuses it if it is not for this
// code.
func (s *store) inspect(fs vfs.FS, ps []Projection) error {
	if err := s.open(fs, ps, true); err != nil {
		return err
	}
	err := checkStored(s.db, s.dir, ps)
	if cerr := s.db.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("open projections store in %s: %w", s.dir, cerr)
	}
	s.db = nil
	return err
}

func (s *store) open(fs vfs.FS, ps []Projection, readOnly bool) error {
	type outcome struct {
		db  *pebble.DB
		err error
	}
	opened := make(chan outcome, 1)
	go func() {
		defer func() {
			// Pebble panics where it cannot make a log file.
			if p := recover(); p != nil {
				opened <- outcome{err: panicked(p)}
			}
		}()
		o := s.options(fs, ps, readOnly)
		s.fs, s.tables = fs, o.MakeWriterOptions(0, formatMajorVersion.MaxTableFormat())
		db, err := pebble.Open(s.dir, o)
		opened <- outcome{db, err}
	}()
	select {
	case o := <-opened:
		if o.err != nil {
			return fmt.Errorf("open projections store in %s: %w", s.dir, o.err)
		}
		if fatal := s.fatal.Load(); fatal != nil {
			return errors.Join(fatal, o.db.Close())
		}
		s.db = o.db
		return nil
	case <-s.failed:
		// On a full disk Pebble tries to flush the log that it reads back, over and
		// over, and Open does not return. Its goroutine is left to the end of the
		// process, which cannot go on without its read model.
		return s.fatal.Load()
	}
}

// panicked gives what Pebble panicked with as an error, which it mostly is.
func panicked(p any) error {
	if err, ok := p.(error); ok {
		return err
	}
	return fmt.Errorf("%v", p)
}

// fail makes err the end of the store. It may be called from inside Pebble, with
// Pebble's locks held, so it does nothing but note it.
func (s *store) fail(err error) {
	if s.fatal.CompareAndSwap(nil, &FatalError{Dir: s.dir, Err: err}) {
		close(s.failed)
	}
}

// enter takes a reference to the database. Every enter that gives nil needs a leave.
func (s *store) enter() error {
	if fatal := s.fatal.Load(); fatal != nil {
		return fatal
	}
	if s.refs.Add(1) >= closing {
		s.leave()
		return ErrClosed
	}
	return nil
}

func (s *store) leave() {
	if s.refs.Add(-1) == closing {
		select {
		case s.drained <- struct{}{}:
		default:
		}
	}
}

// readError gives the error for a read that failed, and ends the store if the file
// is corrupt.
func (s *store) readError(err error) error {
	if pebble.IsCorruptionError(err) {
		s.fail(err)
	}
	if fatal := s.fatal.Load(); fatal != nil {
		return fatal
	}
	return fmt.Errorf("read projections store in %s: %w", s.dir, err)
}

// commit commits b. When it returns nil, b can be read. It is durable after the next
// sync.
func (s *store) commit(b *pebble.Batch, o *pebble.WriteOptions) error {
	return s.write("commit", func() error { return s.db.Apply(b, o) })
}

// write has Pebble write. A failure is the end of the store.
func (s *store) write(what string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked.Store(true)
			s.fail(fmt.Errorf("%s: %w", what, panicked(p)))
			err = s.fatal.Load()
		}
	}()
	if err := do(); err != nil {
		s.fail(fmt.Errorf("%s: %w", what, err))
	}
	// Pebble answers nil after its Logger's Fatalf.
	if fatal := s.fatal.Load(); fatal != nil {
		return fatal
	}
	return nil
}

// sync makes durable all that was committed before the call.
func (s *store) sync() error {
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.LogData(nil, nil); err != nil {
		return err
	}
	return s.commit(b, pebble.Sync)
}

// close waits until nobody reads any more, syncs and closes the database. It is
// called once.
func (s *store) close() (err error) {
	for n := s.refs.Add(closing); n != closing; n = s.refs.Load() {
		<-s.drained
	}
	if s.panicked.Load() {
		return s.fatal.Load()
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close projections store in %s: %w", s.dir, panicked(p))
		}
		if fatal := s.fatal.Load(); fatal != nil {
			err = fatal
		}
	}()
	if s.fatal.Load() == nil {
		// Flushed memtables make the next start quick: there is no log to replay.
		if err := s.db.Flush(); err != nil {
			s.fail(err)
		}
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close projections store in %s: %w", s.dir, err)
	}
	return nil
}
