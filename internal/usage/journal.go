package usage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// journal is the segments on the disk. Its methods are not safe for concurrent
// use, save that files handed out by dirtyFiles may be synced meanwhile.
type journal struct {
	dir         string
	node, boot  string
	segmentSize int64
	create      func(path string) (file, error)

	segments []*segment // oldest first; the last is written to if it is open
	next     uint64     // the position that the next entry will have
	window   uint64     // the position of the open window's first entry
	synced   uint64     // all entries up to it are on the disk
	newNames bool       // the directory is to be synced
}

type segment struct {
	path  string
	first uint64 // position of its first entry
	last  uint64 // position of its last; first-1 if it has none
	seed  uint32
	size  int64 // up to here it is good
	// f is nil for a segment that recovery found: those are synced and not
	// written to any more.
	f     file
	dirty bool // written to since the last sync
}

const segmentSuffix = ".journal"

func (j *journal) segmentPath(first uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// append writes one frame whose entries take the next n positions. After an
// error the journal is as it was.
func (j *journal) append(b []byte, n uint64) error {
	s, err := j.active()
	if err != nil {
		return fmt.Errorf("write usage journal: %w", err)
	}
	endFrame(b, s.seed)
	if _, err := s.f.WriteAt(b, s.size); err != nil {
		// The offset has not moved, so the next write covers the beginning of
		// what this one left, even if it cannot be cut off: no frame stands
		// there any more, and recovery takes it for a torn tail.
		_ = s.f.Truncate(s.size)
		return fmt.Errorf("write usage journal: %w", err)
	}
	s.dirty = true
	s.size += int64(len(b))
	s.last = j.next + n - 1
	j.next += n
	return nil
}

// active gives the segment to write to.
func (j *journal) active() (*segment, error) {
	if len(j.segments) > 0 {
		s := j.segments[len(j.segments)-1]
		empty := s.last < s.first // and a new one would have its name
		if s.f != nil && (empty || s.size < j.segmentSize) {
			return s, nil
		}
	}
	return j.begin()
}

func (j *journal) begin() (*segment, error) {
	h := newHeader(j.next, j.window, j.node, j.boot)
	s := &segment{path: j.segmentPath(j.next), first: j.next, last: j.next - 1, seed: h.seed(), dirty: true}
	b := h.append(nil)
	f, err := j.create(s.path)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		// An empty file, or one with half a header, is passed over by recovery.
		return nil, errors.Join(err, f.Close(), os.Remove(s.path))
	}
	s.f, s.size = f, int64(len(b))
	// A segment that recovery found and that has no entries has the same name.
	j.segments = slices.DeleteFunc(j.segments, func(old *segment) bool { return old.path == s.path })
	j.segments = append(j.segments, s)
	j.newNames = true
	return s, nil
}

// takeDirty gives the files that were written to since it was called last, and
// whether the directory has to be synced as well. Once all of that is done, the
// entries up to j.next-1 as of now are on the disk.
func (j *journal) takeDirty() (files []file, dir bool) {
	for _, s := range j.segments {
		if s.f != nil && s.dirty {
			files = append(files, s.f)
			s.dirty = false
		}
	}
	dir, j.newNames = j.newNames, false
	return files, dir
}

// release deletes the segments of which all entries are at or below pos, but not
// the one that is written to: a restart then finds where the positions ended. A
// segment that could not be deleted is tried again at the next call.
func (j *journal) release(pos uint64) error {
	if len(j.segments) == 0 {
		return nil
	}
	active := j.segments[len(j.segments)-1]
	var errs []error
	j.segments = slices.DeleteFunc(j.segments, func(s *segment) bool {
		if s.last > pos || s == active {
			return false
		}
		if s.f != nil {
			errs = append(errs, s.f.Close())
			s.f = nil
		}
		err := os.Remove(s.path)
		errs = append(errs, err)
		return err == nil || errors.Is(err, os.ErrNotExist)
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete published usage journal: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	var errs []error
	for _, s := range j.segments {
		if s.f != nil {
			errs = append(errs, s.f.Close())
			s.f = nil
		}
	}
	return errors.Join(errs...)
}

// size is the number of bytes of all segments.
func (j *journal) size() (n int64) {
	for _, s := range j.segments {
		n += s.size
	}
	return n
}
