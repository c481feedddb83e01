package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/tokenledger/tokenledger/events"
)

const (
	// maxBatch is the most messages that JetStream takes as one atomic batch.
	maxBatch = 1000

	firstRetry = 20 * time.Millisecond
	lastRetry  = 2 * time.Second

	// While it rests three times as long as it published, publishing takes a
	// quarter of the time; that is for a machine with time to spare. On one that
	// is busy with validations it takes a twentieth: an event costs as much
	// processor time as the validation of a token (some 40 to 60 µs; most of it
	// is the broker's), and where every token is another, there is an event for
	// each. What is put off lies in the journal, and goes out when there is time.
	idleRest = 3
	busyRest = 19
	// maxRest bounds a rest after a batch that took long because the stream was
	// slow rather than because there was much to do.
	maxRest = 2 * time.Second
)

// run is the recorder's loop: it closes one window after the other and publishes
// it. It ends when Close was called and nothing is left, when ctx ends, or when
// the journal fails.
func (r *Recorder) run(ctx context.Context) {
	defer close(r.done)
	for {
		w, err := r.nextWindow(ctx)
		if err == nil && w == nil {
			return
		}
		if err == nil {
			err = r.publish(ctx, w)
		}
		if err != nil {
			if ctx.Err() == nil {
				r.fail(err)
			}
			return
		}
	}
}

// fail stops the recorder for good.
func (r *Recorder) fail(err error) {
	r.failure = err
	close(r.failed)
	r.refuse(err)
	r.cfg.Logger.Error("the usage journal failed; the node must stop. After a restart it goes on from what the disk has",
		"dir", r.cfg.Dir, "error", err)
	r.cfg.OnFatal(err)
}

// nextWindow gives the window that is to be published next, closed and synced; nil
// if there will be none any more. An error that is not ctx's is fatal.
func (r *Recorder) nextWindow(ctx context.Context) (*window, error) {
	if len(r.backlog) > 0 {
		w := r.backlog[0]
		r.backlog = r.backlog[1:]
		// Recovery has synced the windows that it found closed.
		return w, r.sync()
	}
	if !r.waitForWindow(ctx) {
		return nil, ctx.Err()
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		w, err := r.closeWindow()
		if err == nil {
			return w, r.sync()
		}
		if !r.pause(ctx, wait) {
			return nil, ctx.Err()
		}
	}
}

// waitForWindow waits until the open window is to be closed. It reports false when
// the recorder closes and the window is empty, or ctx ends.
func (r *Recorder) waitForWindow(ctx context.Context) bool {
	for {
		// In this order: once closing is closed, nothing is added to the window.
		closing := isClosed(r.closing)
		r.journalMu.Lock()
		opened, keys := r.open.opened, r.open.uses.Len()
		r.journalMu.Unlock()
		wait := time.Until(opened.Add(r.cfg.Window))
		switch {
		case ctx.Err() != nil:
			return false
		case keys == 0 && closing:
			return false
		case keys > 0 && (closing || r.cfg.Strict || wait <= 0 || keys > r.cfg.SoftKeys || r.full.Load()):
			return true
		}
		var timeout <-chan time.Time
		var timer *time.Timer
		if keys > 0 {
			timer = time.NewTimer(wait)
			timeout = timer.C
		}
		select {
		case <-r.kick:
		case <-timeout:
		case <-r.closing:
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// closeWindow writes the marker of the open window and begins another.
func (r *Recorder) closeWindow() (*window, error) {
	r.journalMu.Lock()
	defer r.journalMu.Unlock()
	w := r.open
	w.marker = r.journal.next
	b := appendMarker(beginFrame(r.buf[:0]), w.marker, r.journal.synced)
	if err := r.journal.append(b, 1); err != nil {
		r.gauges.writeFailed(&r.cfg, err)
		return nil, err
	}
	r.gauges.writeWorked(&r.cfg)
	r.journal.window = r.journal.next
	r.open = newWindow(r.seed)
	r.gauges.swapped(w)
	r.full.Store(false)
	r.makeRoom()
	return w, nil
}

// sync puts all that the journal has onto the disk. Callers go on writing
// meanwhile. An error is final: after a failed fdatasync, the kernel may have
// dropped what it could not write, and a second call would claim success. (See
// "Can Applications Recover from fsync Failures?", Rebello et al., USENIX ATC 2020.)
func (r *Recorder) sync() error {
	r.journalMu.Lock()
	files, dir := r.journal.takeDirty()
	upTo := r.journal.next - 1
	r.journalMu.Unlock()
	for _, f := range files {
		if err := f.Datasync(); err != nil {
			return fmt.Errorf("sync usage journal: %w", err)
		}
	}
	if dir {
		if err := syncPath(r.cfg.Dir); err != nil {
			return err
		}
	}
	r.journalMu.Lock()
	r.journal.synced = upTo
	r.journalMu.Unlock()
	return nil
}

// publish puts the events of w into the stream, batch by batch, and lets go of
// what the journal holds of it. It fails only with ctx.
func (r *Recorder) publish(ctx context.Context, w *window) error {
	begun := time.Now()
	batch := make([]events.Event, 0, min(r.cfg.batch, w.uses.Len()))
	for e := range w.uses.Events(w.after, r.cfg.Node, r.cfg.Source, r.cfg.NewID) {
		if batch = append(batch, e); len(batch) < r.cfg.batch {
			continue
		}
		if err := r.append(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
		if !r.rest(ctx, time.Since(begun)) {
			return ctx.Err()
		}
		begun = time.Now()
	}
	if len(batch) > 0 {
		if err := r.append(ctx, batch); err != nil {
			return err
		}
	}
	took := time.Since(begun)
	r.release(w)
	close(w.published)
	r.rest(ctx, took)
	return nil
}

// release deletes what is published.
func (r *Recorder) release(w *window) {
	var next *window
	if len(r.backlog) > 0 {
		next = r.backlog[0]
	}
	r.gauges.published(w, next)
	r.journalMu.Lock()
	err := r.journal.release(w.marker)
	r.journalMu.Unlock()
	if err != nil {
		r.cfg.Logger.Warn("published usage journal stays on the disk for now", "dir", r.cfg.Dir, "error", err)
	}
}

// append gives batch to the stream until it takes it. It fails only with ctx.
func (r *Recorder) append(ctx context.Context, batch []events.Event) error {
	failing, again := false, false
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		_, err := r.cfg.Append(ctx, again, batch...)
		again = true
		if err == nil {
			if failing {
				r.cfg.Logger.Info("uses can be published again")
			}
			return nil
		}
		if !failing {
			failing = true
			uses, keys := r.Pending()
			r.cfg.Logger.Warn("uses cannot be published; they stay in the usage journal and are tried again",
				"error", err, "pending_uses", uses, "pending_events", keys)
		}
		if !r.pause(ctx, wait) {
			return fmt.Errorf("publish uses: %w", err)
		}
	}
}

// rest lets the validations have the machine after a batch that took so long. The
// fuller the open window, the shorter the rest: past SoftKeys it shrinks, to
// nothing at HardKeys.
func (r *Recorder) rest(ctx context.Context, took time.Duration) bool {
	if r.cfg.Strict || r.full.Load() || isClosed(r.closing) {
		return ctx.Err() == nil
	}
	over := float64(int(r.gauges.openKeys.Load())-r.cfg.SoftKeys) / float64(r.cfg.HardKeys-r.cfg.SoftKeys)
	share := 1 - min(1, max(0, over))
	factor := idleRest
	if r.load.busy() {
		factor = busyRest
	}
	timer := time.NewTimer(min(maxRest, time.Duration(float64(factor)*share*float64(took))))
	defer timer.Stop()
	for {
		select {
		case <-r.kick:
			if r.full.Load() {
				return true
			}
		case <-timer.C:
			return true
		case <-r.closing:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// pause waits before another attempt; it reports false once ctx has ended.
func (r *Recorder) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
