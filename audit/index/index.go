package index

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tokenledger/tokenledger/projections"
)

// Log is what the index needs of the audit log: *audit.Log has it, and so has an
// audit.Reader with a WaitFor of its own.
type Log interface {
	// Size is the number of leaves that can be read.
	Size() uint64
	// Leaf gives one leaf.
	Leaf(seq uint64) ([]byte, error)
	// Leaves calls each with the leaves of a range.
	Leaves(first, last uint64, each func(seq uint64, leaf []byte) error) error
	// WaitFor has the leaves up to a sequence made readable now.
	WaitFor(ctx context.Context, seq uint64) error
}

// Sizes of the store, in bytes. Who asks the index walks along rows that lie side by
// side, so a small cache does.
const (
	cacheBytes    = 8 << 20
	memTableBytes = 4 << 20
)

const (
	// DefaultBlock is how many leaves a block has: see the package's comment.
	DefaultBlock = 4096
	// lookEvery is how often the index looks whether the log has grown.
	lookEvery = 200 * time.Millisecond
	// maxSteps bounds the rows that one Find looks at.
	maxSteps = 20_000
)

// Config of an index.
type Config struct {
	// Dir is the index's folder: it is made, and deleted when it is of no use.
	Dir string
	// FS is the file system that Dir lies on; nil is the operating system's.
	FS vfs.FS
	// Log is the audit log. It must outlive Run.
	Log    Log
	Logger *slog.Logger
	// Block is how many leaves a block has; 0 is [DefaultBlock]. It may change from
	// start to start.
	Block int
}

// Index is an index over an audit log. All methods are safe for concurrent use.
type Index struct {
	cfg      Config
	maxSteps int

	mu     sync.Mutex
	err    error // why the index answers nothing; set once
	view   *projections.View
	stored uint64  // the last sequence of the last block
	tail   []entry // of the sequences behind it; what is in it does not change
	wake   chan struct{}

	kick chan struct{} // for Run: somebody waits
}

// New gives an index that answers once [Index.Run] has opened it; until then, who
// asks waits.
func New(cfg Config) *Index {
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Block == 0 {
		cfg.Block = DefaultBlock
	}
	return &Index{cfg: cfg, maxSteps: maxSteps, wake: make(chan struct{}), kick: make(chan struct{}, 1)}
}

// Indexed is the sequence up to which events are found.
func (x *Index) Indexed() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.indexed()
}

func (x *Index) indexed() uint64 { return x.stored + uint64(len(x.tail)) }

// Err is nil while the index works or is being opened, and otherwise an
// [*UnavailableError] or [ErrClosed].
func (x *Index) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err
}

// WaitFor returns nil once the events up to a sequence are found. It has the log make
// them readable now. Errors: a [*BehindError] when ctx ends before, an
// [*UnavailableError], [ErrClosed], those of the log.
func (x *Index) WaitFor(ctx context.Context, seq uint64) error {
	if err := x.Err(); err != nil {
		return err
	}
	if err := x.cfg.Log.WaitFor(ctx, seq); err != nil {
		if ctx.Err() != nil {
			return &BehindError{x.Indexed(), seq, err}
		}
		return err
	}
	for {
		x.mu.Lock()
		indexed, open, err, wake := x.indexed(), x.view != nil, x.err, x.wake
		x.mu.Unlock()
		switch {
		case err != nil:
			return err
		case open && indexed >= seq:
			return nil
		}
		x.rouse()
		select {
		case <-wake:
		case <-ctx.Done():
			return &BehindError{indexed, seq, context.Cause(ctx)}
		}
	}
}

// rouse has Run look at the log now.
func (x *Index) rouse() {
	select {
	case x.kick <- struct{}{}:
	default:
	}
}

// change changes the state and wakes all who wait for that.
func (x *Index) change(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
	close(x.wake)
	x.wake = make(chan struct{})
}

// end makes err the answer from now on, unless there is one already, and gives the
// one there is.
func (x *Index) end(err error) error {
	x.change(func() {
		if x.err == nil {
			x.err = err
		}
	})
	return x.Err()
}
