package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
)

const (
	// DefaultCommitEvery is how long leaves gather, at the most, before they are made
	// durable. A commit costs some five syncs, and the stream syncs on the same disk:
	// ten commits a second take a hundredth of it.
	DefaultCommitEvery = 100 * time.Millisecond
	// signEvery is how long, at the most, a commit waits for its signed checkpoint on
	// the disk. Whoever asks for one before has it signed then.
	signEvery = time.Second
	// commitAt is how many bytes are committed without waiting for more.
	commitAt = 4 << 20
	// maxPending bounds the bytes that wait to be committed: who appends waits then.
	maxPending = 16 << 20
)

// Config is what a log works with.
type Config struct {
	// Dir is the log's directory. It is made if it does not exist.
	Dir string
	// FS, if set, takes the place of Dir.
	FS FS
	// Signer signs checkpoints; its name is the log's origin.
	Signer note.Signer
	// Verifier is of the same key.
	Verifier note.Verifier
	// SignLater has the log sign nothing new before [Log.Sign]. What lies on the disk
	// behind the newest checkpoint is covered by no signature yet, and may not be what
	// the log wrote: who can, holds it against the stream first.
	SignLater bool
	// CommitEvery is how long leaves gather; zero is [DefaultCommitEvery].
	CommitEvery time.Duration
	// OnFatal is called at most once, from a goroutine of the log, when a write or a
	// sync fails. It must not call Close. It may be nil.
	OnFatal func(error)
	Logger  *slog.Logger
}

// Log is the writer of an audit log, and reads it too. All methods are safe for
// concurrent use.
type Log struct {
	*Reader
	cfg  Config
	disk *disk

	mu       sync.Mutex
	pending  batch
	appended uint64        // the last sequence that was given to Append
	wanted   uint64        // commit up to here without waiting
	wake     chan struct{} // closed and replaced when something below changes
	fatal    *FatalError
	closed   bool

	// For the committer: look; end when nothing is left; and its answer to that.
	kick, stop, done chan struct{}

	checkpoints checkpoints
}

// batch is leaves that wait: their lines, one after another, and where each ends.
type batch struct {
	lines []byte
	ends  []int
}

func (b *batch) reset() { b.lines, b.ends = b.lines[:0], b.ends[:0] }

// Open opens the log for writing, makes it if there is none, and cuts off what an
// interrupted commit has left. The log must be used by one process at a time; the lock
// of the data directory sees to that.
//
// Errors: a [*CorruptError], if what lies there cannot be what the log wrote; those of
// the file system.
func Open(cfg Config) (*Log, error) {
	if cfg.FS == nil {
		cfg.FS = Dir(cfg.Dir)
	}
	if cfg.CommitEvery == 0 {
		cfg.CommitEvery = DefaultCommitEvery
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		Reader: &Reader{fs: cfg.FS}, cfg: cfg,
		wake: make(chan struct{}), kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := l.recover(); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	l.appended = l.Size()
	go l.run()
	return l, nil
}

// Appended is the last sequence that was given to Append; what lies behind Size is on
// its way.
func (l *Log) Appended() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appended
}

// Append adds the leaves of events, in the order of the stream. Events that the log
// has are passed over; one that does not follow on is an error. They are durable
// within [Config.CommitEvery], or when [Log.WaitFor] says so: until then they are on
// the stream, from where a start takes them up again. Append waits when too much is on
// its way.
//
// Errors: a [*LeafError], [ErrClosed], a [*FatalError].
func (l *Log) Append(batch []events.Recorded) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if len(l.pending.ends) > 0 {
			l.rouse() // also for what came before an event that was refused
		}
	}()
	for _, r := range batch {
		if r.Seq <= l.appended {
			continue
		}
		if r.Seq != l.appended+1 {
			return fmt.Errorf("the audit log has %d entries, and was given the event at sequence %d", l.appended, r.Seq)
		}
		for len(l.pending.lines) > maxPending && l.fatal == nil && !l.closed {
			l.rouse()
			l.wait()
		}
		if l.closed {
			return ErrClosed
		}
		if l.fatal != nil {
			return l.fatal
		}
		lines, err := layout.AppendLeaf(l.pending.lines, layout.Leaf{Seq: r.Seq, Received: r.Received, Subject: r.Subject, Event: r.Raw})
		if err != nil {
			return &LeafError{r.Seq, err}
		}
		l.pending.lines = append(lines, '\n')
		l.pending.ends = append(l.pending.ends, len(l.pending.lines))
		l.appended = r.Seq
	}
	return nil
}

// wait gives mu up until something has changed.
func (l *Log) wait() {
	wake := l.wake
	l.mu.Unlock()
	<-wake
	l.mu.Lock()
}

// rouse has the committer look.
func (l *Log) rouse() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// broadcast wakes all who wait; mu is held.
func (l *Log) broadcast() {
	close(l.wake)
	l.wake = make(chan struct{})
}

// WaitFor has the leaves up to a sequence committed now, and returns nil once they are
// durable and can be read. It waits for leaves that have not been appended yet, too.
// Errors: ctx's cause, [ErrClosed], a [*FatalError].
func (l *Log) WaitFor(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		wake, fatal, closed := l.wake, l.fatal, l.closed
		size := l.Size()
		if size < seq {
			l.wanted = max(l.wanted, seq)
		}
		l.mu.Unlock()
		switch {
		case fatal != nil:
			return fatal
		case size >= seq:
			return nil
		case closed:
			return ErrClosed
		}
		l.rouse()
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// run is the committer.
func (l *Log) run() {
	defer close(l.done)
	var work batch
	signed := time.NewTimer(signEvery)
	defer signed.Stop()
	for {
		select {
		case <-l.kick:
		case <-l.stop:
		case <-signed.C:
			signed.Reset(signEvery)
			if err := l.checkpoints.keep(l); err != nil {
				l.fail(err)
				return
			}
			continue
		}
		switch waiting, more := l.gather(); {
		case !more:
			return // closed, and nothing is left
		case !waiting:
			continue
		}
		l.mu.Lock()
		if l.fatal != nil {
			l.mu.Unlock()
			return
		}
		work, l.pending = l.pending, work
		l.pending.reset()
		l.broadcast() // there is room
		l.mu.Unlock()
		if err := l.disk.commit(l.Reader, &work); err != nil {
			l.fail(err)
			return
		}
		l.mu.Lock()
		l.broadcast()
		l.mu.Unlock()
	}
}

// gather waits until it is time for a commit of what waits. more is false when the log is
// closed and nothing is left.
func (l *Log) gather() (waiting, more bool) {
	deadline := time.NewTimer(l.cfg.CommitEvery)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		n, bytes := len(l.pending.ends), len(l.pending.lines)
		now := l.closed || bytes >= commitAt || l.wanted > l.appended-uint64(n)
		closed := l.closed
		l.mu.Unlock()
		switch {
		case n == 0:
			return false, !closed
		case now:
			return true, true
		}
		select {
		case <-l.kick:
		case <-l.stop:
		case <-deadline.C:
			return true, true
		}
	}
}

// fail ends the log.
func (l *Log) fail(err error) {
	fatal := &FatalError{err}
	l.mu.Lock()
	if l.fatal != nil {
		l.mu.Unlock()
		return
	}
	l.fatal = fatal
	l.broadcast()
	l.mu.Unlock()
	l.cfg.Logger.Error("the audit log has failed", "error", err)
	if l.cfg.OnFatal != nil {
		l.cfg.OnFatal(fatal)
	}
}

// failure is the FatalError, if there is one.
func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		return nil
	}
	return l.fatal
}

// Close commits what was appended, signs it, and closes the files. After a failure it
// gives the [*FatalError].
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.done
		return nil
	}
	l.closed = true
	l.broadcast()
	l.mu.Unlock()
	close(l.stop)
	<-l.done
	err := l.failure()
	if closeErr := l.checkpoints.close(l, err == nil); err == nil {
		err = closeErr
	}
	return joinClose(err, l.disk, l.Reader)
}
