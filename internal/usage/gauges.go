package usage

import (
	"sync/atomic"
	"time"
)

// gauges are the figures that are read without a lock, so that a stalled disk does
// not stall who asks for them.
type gauges struct {
	openUses, openKeys, openSince       atomic.Int64
	closedUses, closedKeys, closedSince atomic.Int64 // the windows on their way
	failing                             atomic.Bool  // the last write failed
}

// Pending gives the number of uses that are recorded but not yet known to be in
// the stream, and the number of events that they will be.
func (r *Recorder) Pending() (uses, keys int) {
	g := &r.gauges
	return int(g.openUses.Load() + g.closedUses.Load()), int(g.openKeys.Load() + g.closedKeys.Load())
}

// Lag gives for how long the oldest pending use has waited; 0 if none does.
func (r *Recorder) Lag() time.Duration {
	since := r.gauges.closedSince.Load()
	if since == 0 {
		since = r.gauges.openSince.Load()
	}
	if since == 0 {
		return 0
	}
	return max(0, time.Since(time.UnixMilli(since)))
}

// opened notes a change of the open window, and reports whether its keys have
// just become more than soft.
func (g *gauges) opened(w *window, soft int) (crossed bool) {
	g.openUses.Store(int64(w.uses.Uses()))
	if g.openSince.Load() == 0 && w.uses.Uses() > 0 {
		g.openSince.Store(w.uses.First().UnixMilli())
	}
	keys := int64(w.uses.Len())
	return g.openKeys.Swap(keys) <= int64(soft) && keys > int64(soft)
}

func (g *gauges) recovered(backlog []*window, open *window) {
	for _, w := range backlog {
		g.closed(w)
	}
	g.opened(open, 0)
}

// closed counts a window that was closed.
func (g *gauges) closed(w *window) {
	g.closedUses.Add(int64(w.uses.Uses()))
	g.closedKeys.Add(int64(w.uses.Len()))
	g.closedSince.CompareAndSwap(0, w.uses.First().UnixMilli())
}

// swapped notes that the open window was closed and a new one begun.
func (g *gauges) swapped(closed *window) {
	g.closed(closed)
	g.openUses.Store(0)
	g.openKeys.Store(0)
	g.openSince.Store(0)
}

// published notes that a closed window is in the stream; next is the oldest that
// is not, or nil.
func (g *gauges) published(w, next *window) {
	g.closedUses.Add(-int64(w.uses.Uses()))
	g.closedKeys.Add(-int64(w.uses.Len()))
	if next == nil {
		g.closedSince.Store(0)
	} else {
		g.closedSince.Store(next.uses.First().UnixMilli())
	}
}

// writeFailed logs the first of a row of failed writes.
func (g *gauges) writeFailed(cfg *Config, err error) {
	if !g.failing.Swap(true) {
		cfg.Logger.Error("the usage journal cannot be written; validations are refused until it can", "dir", cfg.Dir, "error", err)
	}
}

func (g *gauges) writeWorked(cfg *Config) {
	if g.failing.Load() && g.failing.Swap(false) {
		cfg.Logger.Info("the usage journal can be written again", "dir", cfg.Dir)
	}
}
