package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// dir is the audit/ directory of a data directory.
type dir struct {
	root string
	size uint64 // of the state

	mu   sync.Mutex
	open map[string]*os.File // of the files that each chunk needs
}

// Dir is the audit/ directory of a data directory; package layout says what lies there.
// A node may write to it meanwhile: what it has committed when the verification begins
// is what is verified.
func Dir(path string) Source { return &dir{root: path, open: map[string]*os.File{}} }

func (d *dir) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

func (d *dir) workers() int { return fileWorkers() }

// fileWorkers is how many chunks are worked on at once where the disk is near.
func fileWorkers() int { return min(runtime.GOMAXPROCS(0), 8) }

func (d *dir) leafFile(index uint64) string { return layout.SegmentFile(index / layout.SegmentLeaves) }

func (d *dir) tileFile(level int, _ uint64) string { return layout.TileFile(level) }

func (d *dir) checkpoint(context.Context) ([]byte, error) {
	signed, err := readPlain(d.path(layout.CheckpointFile), maxCheckpoint)
	return signed, problem(layout.CheckpointFile, "a node signs its first one within a second of its start; after that, put it back from a backup: without it nothing is signed", err)
}

// committed reads the state, which counts what the checkpoint counts at least: it was
// read after it.
func (d *dir) committed(ctx context.Context, signed tlog.Tree) ([]mark, error) {
	states, _, err := d.states(ctx)
	if err != nil {
		return nil, err
	}
	d.size = states[0].Size
	if d.size < uint64(signed.N) {
		return nil, bad(layout.StateFile, hintKeep, "it counts %d entries, and the checkpoint was signed over %d: entries were cut off", d.size, signed.N)
	}
	var marks []mark
	for i, s := range states {
		edge := s.Edge
		if edge == nil {
			edge = []tlog.Hash{}
		}
		marks = append(marks, mark{size: s.Size, root: s.Root, edge: edge, what: byState + markOf(i)})
	}
	return marks, nil
}

// states reads the states that hold, the newest first.
func (d *dir) states(ctx context.Context) (all []layout.State, warnings []Warning, err error) {
	for range 5 {
		raw, err := readPlain(d.path(layout.StateFile), 1<<20)
		if err != nil {
			return nil, nil, problem(layout.StateFile, "put the audit directory back from a backup: the log's size cannot be known without it", err)
		}
		all, warnings = decodeStates(raw)
		if len(warnings) == 0 {
			break
		}
		// A node that is just writing it is done soon.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	if len(all) == 0 {
		return nil, nil, bad(layout.StateFile, "put the audit directory back from a backup: the log's size cannot be known without it", "it holds no state: it is damaged")
	}
	return all, warnings, nil
}

func decodeStates(raw []byte) (all []layout.State, warnings []Warning) {
	warn := func(format string, args ...any) {
		warnings = append(warnings, Warning{layout.StateFile, fmt.Sprintf(format, args...)})
	}
	for slot := range layout.Slots {
		if len(raw) < (slot+1)*layout.SlotSize {
			warn("its slot %d is cut off", slot)
			break
		}
		b := raw[slot*layout.SlotSize : (slot+1)*layout.SlotSize]
		s, err := layout.DecodeSlot(b)
		if err != nil {
			warn("its slot %d holds no state: a crash has torn it, or it is damaged; the other slot is used", slot)
			continue
		}
		if whole, err := layout.EncodeSlot(s); err != nil || !bytes.Equal(b, whole) {
			warn("its slot %d holds more than a state: a crash has torn it, or it is damaged", slot)
		}
		if len(all) > 0 && s.Size > all[0].Size {
			all = append([]layout.State{s}, all...)
		} else {
			all = append(all, s)
		}
	}
	if len(raw) > layout.Slots*layout.SlotSize {
		warn("it has %d bytes behind its slots", len(raw)-layout.Slots*layout.SlotSize)
	}
	return all, warnings
}

// survey lists what does not belong there.
func (d *dir) survey(ctx context.Context) ([]Warning, error) {
	return walk(ctx, d.root, func(name string, isDir bool) string {
		switch {
		case isDir && (name == layout.EntriesDir || name == layout.TilesDir):
			return ""
		case isDir:
			return "it is no part of the log"
		case strings.HasSuffix(name, layout.NewSuffix):
			return "it was about to take another file's place, and is left from a crash if no node runs"
		case name == layout.OffsetsFile || name == layout.StateFile || name == layout.CheckpointFile:
			return ""
		}
		for level := range layout.MaxLevels {
			if name == layout.TileFile(level) {
				return ""
			}
		}
		if _, ok := segmentNumber(name); ok {
			return ""
		}
		return "it is no part of the log"
	})
}

// segmentNumber reads the name of a segment.
func segmentNumber(name string) (uint64, bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, layout.EntriesDir+"/"), ".jsonl")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && layout.SegmentFile(n) == name
}

// file gives a file that stays open.
func (d *dir) file(name string) (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.open[name]; f != nil {
		return f, nil
	}
	f, _, err := openPlain(d.path(name))
	if err != nil {
		return nil, problem(name, hintRestore, err)
	}
	d.open[name] = f
	return f, nil
}

// read appends n records of a size, from the first on, to b. If there are fewer, it
// gives those, and an error.
func (d *dir) read(b []byte, name string, size int, first uint64, n int) ([]byte, error) {
	f, err := d.file(name)
	if err != nil {
		return b, err
	}
	at := len(b)
	b = append(b, make([]byte, n*size)...)
	got, err := f.ReadAt(b[at:], int64(first)*int64(size))
	if got == n*size {
		return b, nil
	}
	have := first*uint64(size) + uint64(got)
	b = b[:at+got-got%size]
	if !errors.Is(err, io.EOF) {
		return b, fmt.Errorf("read %s: %w", name, err)
	}
	return b, bad(name, hintRestore, "it ends at byte %d, and the log of %d entries needs %d at least", have, d.size, (first+uint64(n))*uint64(size))
}

func (d *dir) tile(_ context.Context, level int, n uint64, width int) ([]byte, error) {
	return d.read(nil, layout.TileFile(level), layout.HashSize, n*layout.TileWidth, width)
}

// fill reads what there is, and keeps the first error.
func (d *dir) fill(_ context.Context, c *chunk) {
	inside := c.first % layout.SegmentLeaves
	n := c.want
	fail := func(at int, err error) {
		if at < n || c.err == nil {
			n, c.err = min(n, at), err
		}
	}

	var err error
	if c.stored, err = d.read(c.stored, layout.TileFile(0), layout.HashSize, c.first, n); err != nil {
		fail(len(c.stored)/layout.HashSize, err)
	}

	// Where the lines end; before them, where the one before them ends.
	from, before := c.first, 0
	if inside > 0 {
		from, before = from-1, 1
	}
	offsets, err := d.read(nil, layout.OffsetsFile, layout.OffsetSize, from, before+n)
	if err != nil {
		fail(max(0, len(offsets)/layout.OffsetSize-before), err)
	}
	at := uint64(0)
	if before > 0 && len(offsets) > 0 {
		at = binary.BigEndian.Uint64(offsets)
	}
	start := at
	c.buf = append(c.buf, 0) // the room before the first line
	for i := range n {
		end := binary.BigEndian.Uint64(offsets[(before+i)*layout.OffsetSize:])
		if end <= at || end-at > layout.MaxLeaf+1 {
			seq := c.first + uint64(i) + 1
			fail(i, bad(layout.OffsetsFile, hintRestore, "it has a place for the entry of sequence %d that cannot be: bytes %d to %d", seq, at, end).at(seq))
			break
		}
		c.begin = append(c.begin, 1+int(at-start))
		c.end = append(c.end, int(end-start)) // the line feed is left out
		at = end
	}
	d.lines(c, start, at, fail)
	c.cut(min(n, len(c.begin)))
}

// lines reads the segment's bytes from start to end.
func (d *dir) lines(c *chunk, start, end uint64, fail func(int, error)) {
	name := d.leafFile(c.first)
	f, size, err := openPlain(d.path(name))
	if err != nil {
		e := problem(name, hintRestore, err)
		if v, ok := errors.AsType[*Error](e); ok {
			v.Problem += fmt.Sprintf("; it has the entries of the sequences from %d on", c.first-c.first%layout.SegmentLeaves+1)
		}
		fail(0, e)
		return
	}
	defer f.Close()
	c.buf = append(c.buf, make([]byte, end-start)...)
	got, err := f.ReadAt(c.buf[1:], int64(start))
	if got < int(end-start) && !errors.Is(err, io.EOF) {
		fail(0, fmt.Errorf("read %s: %w", name, err))
		return
	}
	for i := range c.begin {
		seq := c.first + uint64(i) + 1
		short := c.end[i] >= 1+got
		if !short && c.buf[c.end[i]] == '\n' {
			continue
		}
		e := d.miscut(c, i)
		if e == nil && short {
			e = bad(name, hintRestore, "it ends at byte %d, within or before the entry of sequence %d", size, seq).at(seq)
		} else if e == nil {
			e = d.broken(c, i)
		}
		fail(i, e)
		return
	}
	// A segment that is full ends with its last line.
	if last := c.first + uint64(c.want); last%layout.SegmentLeaves == 0 && uint64(size) != end && len(c.begin) == c.want {
		fail(c.want, bad(name, hintKeep, "it has %d bytes behind its last entry, of sequence %d", uint64(size)-end, last))
	}
}

// line gives what stands in the segment from the i-th leaf's begin to the end of the
// line, whatever the offsets say.
func (d *dir) line(c *chunk, i int) ([]byte, bool) {
	raw, err := d.read(nil, layout.OffsetsFile, layout.OffsetSize, c.first, i+1)
	if err != nil {
		return nil, false
	}
	end := binary.BigEndian.Uint64(raw[i*layout.OffsetSize:])
	begin := end - uint64(c.end[i]-c.begin[i]) - 1
	f, _, err := openPlain(d.path(d.leafFile(c.first)))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	b := make([]byte, layout.MaxLeaf+1)
	n, _ := f.ReadAt(b, int64(begin)) // what there is
	line, _, ok := bytes.Cut(b[:n], []byte{'\n'})
	return line, ok
}

// miscut says whether the entry is whole, and the offsets are wrong.
func (d *dir) miscut(c *chunk, i int) *Error {
	line, ok := d.line(c, i)
	if !ok || len(line) == c.end[i]-c.begin[i] || tlog.RecordHash(line) != c.storedHash(i) {
		return nil
	}
	seq := c.first + uint64(i) + 1
	return bad(layout.OffsetsFile, hintRestore, "it has another place for the end of the entry of sequence %d than where that ends", seq).at(seq)
}

// broken says what stands where a line does not end where it should.
func (d *dir) broken(c *chunk, i int) *Error {
	seq := c.first + uint64(i) + 1
	if line, ok := d.line(c, i); ok {
		if l, err := layout.ParseLeaf(line); err == nil && l.Seq != seq {
			return misplaced(d.leafFile(c.first), l.Seq, seq)
		}
	}
	return bad(d.leafFile(c.first), hintKeep, "the entry of sequence %d does not end where it should: it was altered, or another stands in its place", seq).at(seq)
}

// finish looks at what lies behind what the state counts by now.
func (d *dir) finish(ctx context.Context) ([]Warning, error) {
	states, warnings, err := d.states(ctx)
	if err != nil {
		return nil, err
	}
	now := states[0].Size
	if now < d.size {
		return nil, bad(layout.StateFile, hintKeep, "it counts %d entries, and counted %d a moment ago: the log was replaced", now, d.size)
	}
	behind := func(name string, size uint64) error {
		info, err := os.Lstat(d.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if have := uint64(info.Size()); have > size {
			warnings = append(warnings, Warning{name, fmt.Sprintf("it has %d bytes behind the %d entries that are committed: of a commit under way, or one that a crash has interrupted; they are not verified", have-size, now)})
		}
		return nil
	}
	err = behind(layout.OffsetsFile, now*layout.OffsetSize)
	for level := range layout.MaxLevels {
		err = errors.Join(err, behind(layout.TileFile(level), layout.LevelHashes(level, now)*layout.HashSize))
	}
	end := uint64(0)
	if now%layout.SegmentLeaves > 0 {
		b, readErr := d.read(nil, layout.OffsetsFile, layout.OffsetSize, now-1, 1)
		if readErr != nil {
			return nil, readErr
		}
		end = binary.BigEndian.Uint64(b)
	}
	last := now / layout.SegmentLeaves
	err = errors.Join(err, behind(layout.SegmentFile(last), end))
	names, listErr := os.ReadDir(d.path(layout.EntriesDir))
	if listErr != nil && now > 0 {
		err = errors.Join(err, listErr)
	}
	for _, e := range names {
		name := layout.EntriesDir + "/" + e.Name()
		if n, ok := segmentNumber(name); ok && n > last {
			err = errors.Join(err, behind(name, 0))
		}
	}
	return warnings, err
}

func (d *dir) close() error {
	var err error
	for _, f := range d.open {
		err = errors.Join(err, f.Close())
	}
	return err
}
