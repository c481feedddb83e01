package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// syncEvery is how often what was committed is made durable.
const syncEvery = time.Second

// Runner applies events to projections and tells how far they are. All methods are
// safe for concurrent use.
type Runner struct {
	s       *store
	running []*running // in the order of registration
	waiters waiters

	// mu is held by whoever changes rows: Apply, Bulk, Rebuild, Close.
	mu    sync.Mutex
	batch *pebble.Batch // kept between batches for its buffer
	// bulk is what Bulk gathers at the most, and from how many rows on it makes a table.
	bulk   struct{ bytes, rows int }
	dirty  atomic.Bool // something was committed since the last sync
	closed bool
	result error // of Close

	posMu    sync.RWMutex
	evidence Position

	stop chan struct{}
	done chan struct{}
}

// running is one projection at work.
type running struct {
	p        Projection
	stateful Stateful // p, or nil
	view     *View

	mu sync.Mutex // for at; written with Runner.mu held too
	at at
}

func (run *running) position() at {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.at
}

func (run *running) move(a at) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.at = a
}

// Status tells how far a projection is.
type Status struct {
	Name    string
	Version uint32
	// Applied is the sequence of the last event applied.
	Applied uint64
	// Unknown counts the events whose type the projection did not know.
	Unknown uint64
}

// Open opens the store in the folder dir, makes it if there is none, and begins to
// sync it about once a second. A projection whose stored version is older than its
// code starts from the first event again. onFatal is [Config.OnFatal]: it is to begin
// the node's orderly stop.
func Open(dir string, logger *slog.Logger, onFatal func(error), ps ...Projection) (*Runner, error) {
	return OpenOn(vfs.Default, dir, logger, onFatal, ps...)
}

// OpenOn is [Open] over any file system of Pebble's, such as vfs.NewMem().
func OpenOn(fs vfs.FS, dir string, logger *slog.Logger, onFatal func(error), ps ...Projection) (*Runner, error) {
	return OpenWith(Config{FS: fs, Dir: dir, Logger: logger, OnFatal: onFatal}, ps...)
}

// OpenWith is [Open] for a store that is not the node's read model.
func OpenWith(cfg Config, ps ...Projection) (*Runner, error) {
	if err := checkProjections(ps); err != nil {
		return nil, err
	}
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	s, err := openStore(cfg, ps)
	if err != nil {
		return nil, err
	}
	r := &Runner{s: s, stop: make(chan struct{}), done: make(chan struct{})}
	r.bulk.bytes, r.bulk.rows = bulkBytes, tableRows
	if err := r.load(ps); err != nil {
		return nil, errors.Join(fmt.Errorf("open projections store in %s: %w", cfg.Dir, err), s.close())
	}
	go r.attend(cfg.OnFatal)
	return r, nil
}

func checkProjections(ps []Projection) error {
	if len(ps) == 0 {
		return errors.New("open projections store: no projection is registered")
	}
	names := make(map[string]bool, len(ps))
	for _, p := range ps {
		if !validName(p.Name()) {
			return fmt.Errorf("open projections store: %q is no projection's name: use [a-z][a-z0-9_]{0,31}", p.Name())
		}
		if names[p.Name()] {
			return fmt.Errorf("open projections store: two projections are named %q", p.Name())
		}
		names[p.Name()] = true
	}
	return nil
}

// load reads the positions, clears what has to be built anew and what nobody
// registers any more, and hands every projection its view.
func (r *Runner) load(ps []Projection) error {
	stored, err := storedAt(r.s.db)
	if err != nil {
		return err
	}
	if row, err := getRow(r.s.db, evidenceKey); err != nil {
		return err
	} else if row != nil {
		if r.evidence, err = decodePosition(row); err != nil {
			return err
		}
	}
	b := r.s.db.NewBatch()
	defer b.Close()
	_ = b.Set([]byte(layoutKey), []byte{0, 0, 0, layoutVersion}, nil)
	for _, p := range ps {
		run := &running{p: p, view: newView(r.s, p.Name())}
		run.stateful, _ = p.(Stateful)
		a, ok := stored[p.Name()]
		delete(stored, p.Name())
		if ok && a.version != p.Version() {
			r.s.logger.Info("projection is rebuilt: its code has a new version",
				"projection", p.Name(), "stored_version", a.version, "version", p.Version())
		}
		if !ok || a.version != p.Version() {
			a = at{version: p.Version()}
			clearRows(b, p.Name(), a)
		}
		run.at = a
		r.running = append(r.running, run)
	}
	for name := range stored {
		r.s.logger.Info("rows of a projection that is no longer part of the ledger are deleted", "projection", name)
		lower, upper := spaceOf(name)
		_ = b.DeleteRange(lower, upper, nil)
		_ = b.Delete([]byte(atPrefix+name), nil)
	}
	if err := r.s.commit(b, pebble.Sync); err != nil {
		return err
	}
	if err := r.loadStates(); err != nil {
		return err
	}
	r.waiters.reach(r.From())
	return nil
}

func (r *Runner) loadStates() error {
	for _, run := range r.running {
		if run.stateful == nil {
			continue
		}
		if err := run.stateful.Load(run.view); err != nil {
			return fmt.Errorf("load projection %q: %w", run.p.Name(), err)
		}
	}
	return nil
}

// clearRows deletes a projection's rows and sets its position.
func clearRows(b *pebble.Batch, name string, a at) {
	lower, upper := spaceOf(name)
	_ = b.DeleteRange(lower, upper, nil)
	_ = b.Set([]byte(atPrefix+name), a.encode(), nil)
}

// Rebuild deletes the rows of every projection and sets their positions to 0. The
// evidence stays. Afterwards the events have to be applied again from the first:
// whoever follows the stream meets a [*GapError] and starts anew from [Runner.From].
// Until then reads find little or nothing, and [Runner.Applied] says so.
//
// The deletion is durable on return.
func (r *Runner) Rebuild() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(); err != nil {
		return err
	}
	defer r.s.leave()
	b := r.s.db.NewBatch()
	defer b.Close()
	for _, run := range r.running {
		clearRows(b, run.p.Name(), at{version: run.p.Version()})
	}
	// Nobody may take the old rows for up to date once they begin to go.
	r.waiters.reach(0)
	if err := r.s.commit(b, pebble.Sync); err != nil {
		return err
	}
	for _, run := range r.running {
		run.move(at{version: run.p.Version()})
	}
	if err := r.loadStates(); err != nil {
		// What the projections hold in memory no longer fits their rows.
		r.s.fail(err)
		return r.s.fatal.Load()
	}
	r.s.logger.Info("projections are rebuilt on request")
	return nil
}

// enter is store.enter for those that change rows; Runner.mu is held.
func (r *Runner) enter() error {
	if r.closed {
		return ErrClosed
	}
	return r.s.enter()
}

// Position is the highest event ever applied. It survives rebuilds.
func (r *Runner) Position() Position {
	r.posMu.RLock()
	defer r.posMu.RUnlock()
	return r.evidence
}

// From is the sequence that every projection has applied: the next event to give to
// [Runner.Apply] is the one after it.
func (r *Runner) From() uint64 {
	from := r.running[0].position().seq
	for _, run := range r.running[1:] {
		from = min(from, run.position().seq)
	}
	return from
}

// Applied is the sequence up to which every projection's rows can be read.
func (r *Runner) Applied() uint64 { return r.waiters.reached.Load() }

// WaitFor returns nil once every projection has applied the event at seq and its
// rows can be read. It returns ctx's cause if that comes first, [ErrClosed] when
// the runner is closed, and a [*FatalError] when the store fails.
func (r *Runner) WaitFor(ctx context.Context, seq uint64) error {
	if fatal := r.s.fatal.Load(); fatal != nil {
		return fatal
	}
	return r.waiters.wait(ctx, seq)
}

// Status tells about every projection, in the order of registration.
func (r *Runner) Status() []Status {
	all := make([]Status, 0, len(r.running))
	for _, run := range r.running {
		a := run.position()
		all = append(all, Status{Name: run.p.Name(), Version: a.version, Applied: a.seq, Unknown: a.unknown})
	}
	return all
}

// Err is nil while the store works, and otherwise the [*FatalError].
func (r *Runner) Err() error {
	if fatal := r.s.fatal.Load(); fatal != nil {
		return fatal
	}
	return nil
}

// attend syncs about once a second, and tells of a failure, until Close.
func (r *Runner) attend(onFatal func(error)) {
	defer close(r.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-r.s.failed:
			r.failed(onFatal)
			return
		case <-tick.C:
			if !r.dirty.Swap(false) {
				continue
			}
			// A failed sync is a failure of the store, which comes in above.
			_ = r.s.sync()
		}
	}
}

func (r *Runner) failed(onFatal func(error)) {
	fatal := r.s.fatal.Load()
	r.s.logger.Error("projections store has failed", "error", fatal)
	r.waiters.end(fatal)
	if onFatal != nil {
		onFatal(fatal)
	}
}

// Close makes durable what was applied and closes the store. It waits for those
// who read, and answers the same when it is called again. After a failure of the
// store it gives the [*FatalError].
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.result
	}
	r.closed = true
	close(r.stop)
	<-r.done
	r.waiters.end(ErrClosed)
	if r.batch != nil && !r.s.panicked.Load() {
		_ = r.batch.Close()
	}
	r.result = r.s.close()
	for _, run := range r.running {
		if run.stateful != nil {
			run.stateful.Closed()
		}
	}
	return r.result
}
