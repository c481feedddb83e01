package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// recover takes up the log where its state ends, and makes it if there is none.
func (l *Log) recover() error {
	fsys := l.cfg.FS
	for _, dir := range []string{".", layout.EntriesDir, layout.TilesDir} {
		if err := fsys.MkdirAll(dir); err != nil {
			return err
		}
	}
	if err := l.begin(); err != nil {
		return err
	}
	s, slot, err := readState(fsys)
	if err != nil {
		return err
	}
	l.Reader.state.Store(&s)
	t, err := TreeOf(s)
	if err != nil {
		return &CorruptError{layout.StateFile, "cannot be: " + err.Error(), err}
	}
	l.disk = &disk{fs: fsys, tree: t, slot: slot}
	// Nothing is cut off a log that is not whole: it is evidence.
	for _, step := range []func(layout.State) error{l.holds, l.promised, l.disk.cut} {
		if err := step(s); err != nil {
			return joinClose(err, l.disk, l.Reader)
		}
	}
	return nil
}

// begin gives a new log its first state. A log of which there is anything has one: the
// state of no leaves is durable before anything else is written.
func (l *Log) begin() error {
	fsys := l.cfg.FS
	raw, err := fsys.ReadFile(layout.StateFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, _, stateErr := layout.NewestState(raw); err == nil && stateErr == nil {
		return nil
	}
	names, err := fsys.List(layout.EntriesDir)
	if err != nil {
		return err
	}
	for _, name := range []string{layout.OffsetsFile, layout.CheckpointFile} {
		if _, err := fsys.ReadFile(name); err == nil {
			names = append(names, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(names) > 0 {
		return corrupt(layout.StateFile, "is missing or damaged, and %s shows that there is a log: put the audit directory back from a backup; the log's size and root cannot be known without it", names[0])
	}
	empty := Tree{}
	slot, err := layout.EncodeSlot(empty.State())
	if err != nil {
		return err
	}
	if err := replace(fsys, layout.StateFile, append(slot, slot...)); err != nil {
		return err
	}
	return fsys.SyncDir("..")
}

// promised looks whether the log has all that its checkpoint was signed over.
func (l *Log) promised(s layout.State) error {
	signed, err := l.cfg.FS.ReadFile(layout.CheckpointFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.Size == 0:
		// A new log, whose every later state has a checkpoint beside it.
		err := l.checkpoints.keep(l)
		l.checkpoints.held = l.cfg.SignLater
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &CorruptError{layout.CheckpointFile, fmt.Sprintf("is missing, and the log has %d entries: it was taken away, and with it what was signed", s.Size), err}
	case err != nil:
		return err
	}
	cp, err := l.OpenCheckpoint(signed, l.cfg.Verifier)
	if err != nil {
		return err
	}
	tree, err := l.TreeAt(uint64(cp.N))
	if err != nil {
		return err
	}
	if tree.Hash != cp.Hash {
		return corrupt(layout.CheckpointFile, "was signed over %d entries with the root %s, and the first %d entries have the root %s: the log was altered", cp.N, cp.Hash, cp.N, tree.Hash)
	}
	l.checkpoints.signed, l.checkpoints.size, l.checkpoints.held = signed, uint64(cp.N), l.cfg.SignLater
	return nil
}

// holds looks whether the hashes on the disk make the state's root, and the last
// entry its hash. The rest is the verifier's.
func (l *Log) holds(s layout.State) error {
	if s.Size == 0 {
		return nil
	}
	tree, err := l.TreeAt(s.Size)
	if err != nil {
		return err
	}
	if tree.Hash != s.Root {
		return corrupt(layout.TilesDir, "has hashes that make the root %s, and the log of %d entries has %s", tree.Hash, s.Size, s.Root)
	}
	_, err = l.Leaf(s.Size)
	return err
}

// cut takes off what lies behind the state, left by a commit that was interrupted, and
// opens the files to go on. A file that ends before the state does is corrupt.
func (d *disk) cut(s layout.State) error {
	size := s.Size
	if err := d.cutFile(&d.offsets, layout.OffsetsFile, size*layout.OffsetSize); err != nil {
		return err
	}
	for level := range layout.MaxLevels {
		if err := d.cutFile(&d.tiles[level], layout.TileFile(level), layout.LevelHashes(level, size)*layout.HashSize); err != nil {
			return err
		}
	}
	segment := size / layout.SegmentLeaves
	if inside := size % layout.SegmentLeaves; inside > 0 {
		var b [layout.OffsetSize]byte
		if err := readFull(d.offsets, layout.OffsetsFile, b[:], (size-1)*layout.OffsetSize); err != nil {
			return err
		}
		d.end = binary.BigEndian.Uint64(b[:])
	}
	if err := d.cutFile(&d.segment, layout.SegmentFile(segment), d.end); err != nil {
		return err
	}
	if err := d.cutSegments(segment); err != nil {
		return err
	}
	// A file that a killed process made may have a name that is not durable yet, and is
	// about to be relied on.
	for _, dir := range []string{layout.EntriesDir, layout.TilesDir, "."} {
		if err := d.fs.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// cutFile opens a file and takes off what lies behind its size. A file of size 0 is
// left for the first write to make.
func (d *disk) cutFile(f *File, name string, size uint64) error {
	opened, err := d.fs.Open(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		if size == 0 {
			return nil
		}
		return &CorruptError{name, "is missing", err}
	}
	if err == nil {
		err = opened.Close()
	}
	if err != nil {
		return err
	}
	if opened, err = d.fs.Open(name, true); err != nil {
		return err
	}
	*f = opened
	have, err := opened.Size()
	switch {
	case err != nil:
		return err
	case uint64(have) < size:
		return corrupt(name, "ends at byte %d; the log that it belongs to needs %d", have, size)
	case uint64(have) > size:
		return opened.Truncate(int64(size))
	}
	return nil
}

// cutSegments removes the segments behind the last.
func (d *disk) cutSegments(last uint64) error {
	names, err := d.fs.List(layout.EntriesDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(name, ".jsonl"), 10, 64)
		if err != nil || layout.SegmentFile(n) != layout.EntriesDir+"/"+name || n <= last {
			continue
		}
		if err := d.fs.Remove(layout.EntriesDir + "/" + name); err != nil {
			return err
		}
	}
	return nil
}
