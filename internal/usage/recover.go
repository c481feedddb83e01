package usage

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"

	"github.com/tokenledger/tokenledger/commands"
)

// recovered is what a journal held when it was opened.
type recovered struct {
	journal *journal
	// closed are the windows that are not, or not wholly, in the stream, oldest
	// first.
	closed []closedWindow
	// open is the window behind the last marker.
	open *commands.UseWindow
	// outOfStep says that open has to be closed before anything is added to it.
	outOfStep bool
}

type closedWindow struct {
	uses   *commands.UseWindow
	marker uint64
}

// recovery is the state of one pass over the segments.
type recovery struct {
	recovered
	highWater uint64
	seed      maphash.Seed
	log       *slog.Logger

	openFirst uint64 // position of the first entry of the open window
	// skipping says that the entries belong to a window whose beginning was
	// deleted, which is done once all of it is in the stream.
	skipping bool
	synced   uint64 // highest position that any frame knows to be on the disk
	// mends are the changes to files that are due. They are made once it is
	// certain that nothing will be refused.
	mends []func() error
}

// recoverJournal reads the journal in cfg.Dir. If it refuses the journal, it has
// changed nothing.
func recoverJournal(cfg *Config, seed maphash.Seed) (*recovered, error) {
	r := newRecovery(cfg, seed)
	if err := r.readSegments(); err != nil {
		return nil, err
	}
	if err := r.settle(); err != nil {
		return nil, err
	}
	return &r.recovered, nil
}

func newRecovery(cfg *Config, seed maphash.Seed) *recovery {
	return &recovery{
		recovered: recovered{
			journal: &journal{
				dir: cfg.Dir, node: cfg.Node, boot: cfg.boot, segmentSize: cfg.SegmentSize, create: cfg.create, next: 1,
			},
			open: commands.NewUseWindow(seed),
		},
		highWater: cfg.HighWater,
		seed:      seed,
		log:       cfg.Logger,
	}
}

// settle decides, after all was read, where the journal goes on, and brings the
// files into the state that this takes.
func (r *recovery) settle() error {
	j := r.journal
	if last := j.next - 1; r.skipping && last > r.highWater {
		return &BehindError{j.segments[0].path, last, r.highWater}
	}
	if r.open.Len() > 0 && r.openFirst <= r.highWater {
		r.stepBehindStream()
	}
	if j.next <= r.highWater {
		// All that the journal has is in the stream. Positions go on behind
		// that, and a gap between two segments would mean a loss.
		for _, s := range j.segments {
			r.mends = append(r.mends, func() error { return os.Remove(s.path) })
		}
		j.segments = nil
		j.next = r.highWater + 1
	}
	j.window = j.next
	if r.open.Len() > 0 {
		j.window = r.openFirst
	}
	for _, mend := range r.mends {
		if err := mend(); err != nil {
			return fmt.Errorf("recover usage journal: %w", err)
		}
	}
	// What survived a crash of the process may be in the page cache only. From
	// here on all of it counts as synced.
	for _, s := range j.segments {
		if err := syncPath(s.path); err != nil {
			return err
		}
	}
	if err := syncPath(j.dir); err != nil {
		return err
	}
	j.synced = j.next - 1
	return nil
}

// stepBehindStream deals with entries behind the last marker although the stream
// holds events of their positions. Markers are synced before anything is
// published, so only a copy of the journal that is older than the stream, or a
// disk that lies, comes to this. What the stream has is not sent again.
func (r *recovery) stepBehindStream() {
	r.log.Warn("the stream holds uses of a window that the usage journal does not show as closed; "+
		"the journal may be an older copy. Uses at or below the stream's position are taken as counted",
		"high_water", r.highWater, "window_first", r.openFirst, "journal_next", r.journal.next)
	if r.journal.next-1 <= r.highWater {
		r.open = commands.NewUseWindow(r.seed)
		return
	}
	r.outOfStep = true
}

func (r *recovery) readSegments() error {
	paths, err := segmentPaths(r.journal.dir)
	if err != nil {
		return err
	}
	for i, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read usage journal: %w", err)
		}
		first, later := firstOf(path), paths[i+1:]
		h, size, version, ok := parseHeader(b)
		switch {
		case version != 0 && version != formatVersion:
			return &VersionError{path, version}
		case !ok && len(later) == 0 && diedAtBirth(b):
			r.log.Warn("usage journal: the node stopped while a file was being made; it holds no entry and is removed",
				"path", path, "bytes", len(b))
			r.mends = append(r.mends, func() error { return os.Remove(path) })
			return nil
		case !ok:
			return &CorruptError{path, 0, first, "its header cannot be read"}
		case h.node != r.journal.node:
			return &NodeError{path, h.node, r.journal.node}
		case h.first != first:
			return &CorruptError{path, 0, h.first, "its name is not the one it was given"}
		}
		if i == 0 {
			r.journal.next = first
			r.skipping = h.window < first
			// The marker before a window stands at the position before it, and
			// the last event before that.
			if h.window > r.highWater+2 {
				return &BehindError{path, h.window - 2, r.highWater}
			}
		}
		done, err := r.readSegment(path, b, size, h, later)
		if err != nil || done {
			return err
		}
	}
	return nil
}

// readSegment reads frames up to the first that is not whole. What stands behind
// that is the remains of a failed write if the next segment goes on from there.
// It reports whether later segments are to be left out.
func (r *recovery) readSegment(path string, b []byte, from int, h header, later []string) (done bool, err error) {
	s := &segment{path: path, first: h.first, seed: h.seed()}
	end := ^uint64(0)
	if len(later) > 0 {
		end = firstOf(later[0])
	}
	at := from
	for at < len(b) {
		f, size, ok := parseFrame(b[at:], s.seed)
		if !ok || f.first != r.journal.next {
			break
		}
		if err := r.apply(path, f); err != nil {
			if _, ok := errors.AsType[*BehindError](err); ok {
				return false, err
			}
			return false, &CorruptError{path, int64(at), f.first, err.Error()}
		}
		at += size
	}
	s.size, s.last = int64(at), r.journal.next-1
	r.journal.segments = append(r.journal.segments, s)
	if at < len(b) {
		r.mends = append(r.mends, func() error { return os.Truncate(path, s.size) })
	}
	if r.journal.next == end || (at == len(b) && len(later) == 0) {
		return false, nil
	}
	return true, r.judge(s, b, h, later)
}

// apply counts a frame to the open window, or closes it.
func (r *recovery) apply(path string, f frame) error {
	r.synced = max(r.synced, f.synced)
	r.journal.next = f.after()
	if r.skipping {
		r.skipping = f.kind != frameMarker
		if !r.skipping && f.first-1 > r.highWater {
			return &BehindError{path, f.first - 1, r.highWater}
		}
		return nil
	}
	if f.kind == frameMarker {
		// The window's last event has the position before the marker's.
		if f.first-1 > r.highWater && r.open.Len() > 0 {
			r.closed = append(r.closed, closedWindow{r.open, f.first})
		}
		r.open = commands.NewUseWindow(r.seed)
		return nil
	}
	if r.open.Len() == 0 {
		r.openFirst = f.first
	}
	body := f.body
	for pos := f.first; pos < f.after(); pos++ {
		var err error
		if body, err = r.open.ReadEntry(pos, f.base, body); err != nil {
			return fmt.Errorf("entry %d %w", pos, err)
		}
	}
	if len(body) != 0 {
		return fmt.Errorf("%d bytes stand behind the last entry of the frame", len(body))
	}
	return nil
}
