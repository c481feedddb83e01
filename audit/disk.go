package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// disk writes a log's files. It is the committer's, and for one goroutine.
type disk struct {
	fs   FS
	tree *Tree
	slot int // of the state that holds

	offsets, state File
	tiles          [layout.MaxLevels]File
	segment        File // the one that the next leaf goes to; nil where that begins one
	end            uint64

	// What a commit is about to write, kept for their room.
	ends   []byte
	hashes [layout.MaxLevels][]byte
	hasher Hasher
}

// commit makes the leaves of b durable and then visible in r. Leaves lie at places that
// follow from their index, behind all that is committed; only when they are synced, with
// their hashes and offsets, is the state written that counts them, and synced. A crash
// before that leaves the state of before, and what lies behind it is written anew.
func (d *disk) commit(r *Reader, b *batch) error {
	from := d.tree.Size()
	d.hash(b)
	if err := d.write(from, b); err != nil {
		return fmt.Errorf("write entries %d to %d: %w", from+1, d.tree.Size(), err)
	}
	return d.record(r)
}

// hash takes the leaves into the tree.
func (d *disk) hash(b *batch) {
	for level := range d.hashes {
		d.hashes[level] = d.hashes[level][:0]
	}
	begin := 0
	for _, end := range b.ends {
		d.tree.Push(d.hasher.Sum(b.lines[begin:end-1]), func(level int, h tlog.Hash) {
			d.hashes[level] = append(d.hashes[level], h[:]...)
		})
		begin = end
	}
}

// write puts the leaves behind the first from, with what belongs to them, and syncs.
func (d *disk) write(from uint64, b *batch) error {
	d.ends = d.ends[:0]
	index, begin := from, 0
	for i := 0; i < len(b.ends); {
		// The leaves of one segment.
		n := min(len(b.ends)-i, int(layout.SegmentLeaves-index%layout.SegmentLeaves))
		lines := b.lines[begin:b.ends[i+n-1]]
		for _, end := range b.ends[i : i+n] {
			d.ends = binary.BigEndian.AppendUint64(d.ends, d.end+uint64(end-begin))
		}
		if err := d.entries(index, lines); err != nil {
			return err
		}
		begin += len(lines)
		index += uint64(n)
		i += n
		if index%layout.SegmentLeaves == 0 {
			if err := d.segment.Close(); err != nil {
				return err
			}
			d.segment, d.end = nil, 0
		}
	}
	if err := put(&d.offsets, d.fs, layout.OffsetsFile, ".", d.ends, from*layout.OffsetSize); err != nil {
		return err
	}
	for level, hashes := range d.hashes {
		if len(hashes) == 0 {
			break
		}
		at := layout.LevelHashes(level, from) * layout.HashSize
		if err := put(&d.tiles[level], d.fs, layout.TileFile(level), layout.TilesDir, hashes, at); err != nil {
			return err
		}
	}
	return nil
}

// entries writes the lines of the leaves from index on, which lie in one segment.
func (d *disk) entries(index uint64, lines []byte) error {
	name := layout.SegmentFile(index / layout.SegmentLeaves)
	if err := put(&d.segment, d.fs, name, layout.EntriesDir, lines, d.end); err != nil {
		return err
	}
	d.end += uint64(len(lines))
	return nil
}

// put writes b into the file at the place, and syncs it. A file that is not there yet
// is made, and its name synced too.
func put(f *File, fsys FS, name, dir string, b []byte, at uint64) error {
	isNew := *f == nil
	if isNew {
		opened, err := fsys.Open(name, true)
		if err != nil {
			return err
		}
		*f = opened
	}
	if _, err := (*f).WriteAt(b, int64(at)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := (*f).Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	if isNew {
		return fsys.SyncDir(dir)
	}
	return nil
}

// record writes the state into the slot that does not hold, and syncs it. Then it
// holds, and is visible.
func (d *disk) record(r *Reader) error {
	s := d.tree.State()
	b, err := layout.EncodeSlot(s)
	if err != nil {
		return err
	}
	slot := (d.slot + 1) % layout.Slots
	if err := put(&d.state, d.fs, layout.StateFile, ".", b, uint64(slot)*layout.SlotSize); err != nil {
		return err
	}
	d.slot = slot
	r.state.Store(&s)
	return nil
}

// Close closes the files.
func (d *disk) Close() error {
	var err error
	for _, f := range append(d.tiles[:], d.offsets, d.state, d.segment) {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// joinClose closes all and joins what went wrong to err.
func joinClose(err error, all ...io.Closer) error {
	for _, c := range all {
		err = errors.Join(err, c.Close())
	}
	return err
}
