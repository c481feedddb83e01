package backup

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// logCopy makes the files of a log from its leaves, behind those that are there. All
// but the leaves is computed here, so a copy has nothing that the leaves do not make.
type logCopy struct {
	dir  string // of the log
	tree *audit.Tree
	end  uint64 // where the segment's last line ends

	files map[string]*growing // by name in the log's directory
	err   error
}

// growing is a file that is written behind its end.
type growing struct {
	*bufio.Writer
	f *os.File
}

// beginCopy goes on behind the leaves of a state, which lie in dir. What lies behind
// them, of a copy that was interrupted, is cut off.
func beginCopy(dir string, from layout.State) (*logCopy, error) {
	tree, err := audit.TreeOf(from)
	if err != nil {
		return nil, err
	}
	c := &logCopy{dir: dir, tree: tree, files: map[string]*growing{}}
	for _, sub := range []string{layout.EntriesDir, layout.TilesDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if from.Size%layout.SegmentLeaves != 0 {
		f, err := plain.Open(filepath.Join(dir, layout.OffsetsFile))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		var b [layout.OffsetSize]byte
		if _, err := f.ReadAt(b[:], int64(from.Size-1)*layout.OffsetSize); err != nil {
			return nil, err
		}
		c.end = binary.BigEndian.Uint64(b[:])
	}
	return c, nil
}

// copyLeaves copies the leaves of r behind what is there, up to the tree that r has, and
// makes them durable. The copy's state is that of the tree.
func (c *logCopy) copyLeaves(ctx context.Context, r *audit.Reader, checkpoint tlog.Tree, what string, progress archive.Progress) error {
	want := r.Tree()
	size := uint64(want.N)
	err := archive.Leaves(ctx, r, c.tree.Size()+1, size, func(seq uint64, leaf []byte, h tlog.Hash) error {
		c.add(seq, leaf, h)
		if seq == uint64(checkpoint.N) && c.tree.Root() != checkpoint.Hash {
			return &archive.DamageError{File: layout.CheckpointFile, Problem: fmt.Sprintf("was signed over %d entries with the root %s, and they have the root %s: the log was altered", seq, checkpoint.Hash, c.tree.Root())}
		}
		if progress != nil && seq%(1<<14) == 0 {
			progress(what, seq, size)
		}
		return c.err
	})
	if err == nil && c.tree.Root() != want.Hash {
		err = &archive.DamageError{File: layout.StateFile, Problem: fmt.Sprintf("has the root %s, and the %d entries have the root %s", want.Hash, size, c.tree.Root())}
	}
	if progress != nil && err == nil {
		progress(what, size, size)
	}
	return errors.Join(err, c.finish())
}

// add takes in the leaf of a sequence.
func (c *logCopy) add(seq uint64, leaf []byte, h tlog.Hash) {
	index := seq - 1
	if index%layout.SegmentLeaves == 0 {
		c.end = 0
		if index > 0 {
			c.close(layout.SegmentFile(index/layout.SegmentLeaves - 1))
		}
	}
	segment := layout.SegmentFile(index / layout.SegmentLeaves)
	begin := c.end
	c.put(segment, begin, leaf)
	c.put(segment, begin, []byte{'\n'})
	c.end += uint64(len(leaf)) + 1
	var b [layout.OffsetSize]byte
	binary.BigEndian.PutUint64(b[:], c.end)
	c.put(layout.OffsetsFile, index*layout.OffsetSize, b[:])
	before := c.tree.Size()
	c.tree.Push(h, func(level int, h tlog.Hash) {
		c.put(layout.TileFile(level), layout.LevelHashes(level, before)*layout.HashSize, h[:])
	})
}

// put writes behind the end of a file, which is given for the first write to it.
func (c *logCopy) put(name string, end uint64, b []byte) {
	if _, err := c.file(name, end).Write(b); err != nil && c.err == nil {
		c.err = fmt.Errorf("write %s: %w", filepath.Join(c.dir, name), err)
	}
}

// file gives a file of the log, which is opened at its end.
func (c *logCopy) file(name string, end uint64) *growing {
	if g := c.files[name]; g != nil {
		return g
	}
	g := &growing{Writer: bufio.NewWriter(io.Discard)}
	f, err := os.OpenFile(filepath.Join(c.dir, filepath.FromSlash(name)), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = errors.Join(f.Truncate(int64(end)), seekEnd(f, int64(end)))
		g = &growing{bufio.NewWriterSize(f, 1<<18), f}
	}
	if err != nil {
		c.err = errors.Join(c.err, err)
	}
	c.files[name] = g
	return g
}

func seekEnd(f *os.File, end int64) error {
	_, err := f.Seek(end, io.SeekStart)
	return err
}

// close makes a file durable.
func (c *logCopy) close(name string) {
	g := c.files[name]
	if g == nil || g.f == nil {
		return
	}
	err := g.Flush()
	if err == nil {
		err = g.f.Sync()
	}
	if err = errors.Join(err, g.f.Close()); err != nil {
		c.err = errors.Join(c.err, fmt.Errorf("write %s: %w", filepath.Join(c.dir, name), err))
	}
	c.files[name] = &growing{Writer: bufio.NewWriter(io.Discard)} // it was written
}

// finish makes all durable.
func (c *logCopy) finish() error {
	for name := range c.files {
		c.close(name)
	}
	for _, sub := range []string{layout.EntriesDir, layout.TilesDir, "."} {
		c.err = errors.Join(c.err, durable.Dir(filepath.Join(c.dir, sub)))
	}
	return c.err
}

// written lists the files that were written, by their names in the log's directory.
func (c *logCopy) written() (names []string) {
	for name := range c.files {
		names = append(names, name)
	}
	return names
}

// seal gives the copied log its state, and the checkpoint.
func (c *logCopy) seal(checkpoint string) error {
	slot, err := layout.EncodeSlot(c.tree.State())
	if err != nil {
		return err
	}
	if err := replace(c.dir, layout.StateFile, append(slot, slot...)); err != nil {
		return err
	}
	if checkpoint == "" {
		return nil
	}
	return replace(c.dir, layout.CheckpointFile, []byte(checkpoint))
}
