package usage

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// lostSuffix is added to the names of files that hold what a power cut left
// behind a hole.
const lostSuffix = ".lost"

// judge decides what it means that the segment s cannot be read from s.size on: a
// torn tail, what a power cut left, or corruption. See the package's doc.
func (r *recovery) judge(s *segment, b []byte, h header, later []string) error {
	next := r.journal.next
	reach, synced := scan(b, int(s.size), s.seed)
	for _, path := range later {
		if b, err := os.ReadFile(path); err != nil {
			return fmt.Errorf("read usage journal: %w", err)
		} else if h, size, _, ok := parseHeader(b); ok {
			laterReach, laterSynced := scan(b, size, h.seed())
			reach, synced = max(reach, laterReach), max(synced, laterSynced)
		}
	}
	if reach == 0 && len(later) == 0 {
		r.log.Warn("usage journal: the node stopped during a write that it had not answered; the torn tail is cut off",
			"path", s.path, "offset", s.size, "bytes", int64(len(b))-s.size, "last_position", s.last)
		return nil
	}
	rebooted := h.boot != "" && r.journal.boot != "" && h.boot != r.journal.boot
	if !rebooted || next <= max(r.synced, synced) {
		return &CorruptError{s.path, s.size, next, "there are readable entries behind it"}
	}

	r.log.Error("usage journal: a power cut left a hole in what was not yet synced; what follows the hole is put aside and is not counted",
		"path", s.path, "offset", s.size, "first_lost_position", next, "lost_at_most", max(reach, next)-next, "aside", s.path+lostSuffix)
	tail := bytes.Clone(b[s.size:])
	// Before the segment itself is truncated.
	r.mends = slices.Insert(r.mends, 0, func() error {
		if len(tail) == 0 {
			return nil
		}
		if err := os.WriteFile(s.path+lostSuffix, tail, 0o600); err != nil {
			return err
		}
		return syncPath(s.path + lostSuffix)
	})
	for _, path := range later {
		r.mends = append(r.mends, func() error { return os.Rename(path, path+lostSuffix) })
	}
	return nil
}

// scan looks for whole frames anywhere behind from. It gives the position behind
// the highest entry, 0 if there is none, and the highest that any of them knows
// to be synced.
func scan(b []byte, from int, seed uint32) (reach, synced uint64) {
	for {
		f, at, size, ok := nextFrame(b, from, seed)
		if !ok {
			return reach, synced
		}
		reach, synced = max(reach, f.after()), max(synced, f.synced)
		from = at + size
	}
}

// diedAtBirth reports whether b is what a crash leaves of a segment whose header
// was being written: a part of a header, or zeros, and no frame.
func diedAtBirth(b []byte) bool {
	return len(b) <= headerFixed+math.MaxUint16+4 &&
		!bytes.Contains(b, []byte(frameMagic)) &&
		(strings.HasPrefix(headerMagic, string(b[:min(len(b), len(headerMagic))])) ||
			len(bytes.Trim(b, "\x00")) == 0)
}

// segmentPaths gives the segments in order.
func segmentPaths(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read usage journal: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return paths, nil
}

// firstOf is the position that a segment's name gives; 0, which no segment has,
// if the name is none of ours.
func firstOf(path string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), segmentSuffix), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
