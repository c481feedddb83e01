package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
)

// DamageError says that the log is not what its writer made.
type DamageError struct {
	// File is the name in the log's directory.
	File string
	// Seq is the entry that it shows at; 0 where it is none in particular.
	Seq uint64
	// Problem says what is wrong.
	Problem string
}

func (e *DamageError) Error() string { return fmt.Sprintf("audit log: %s %s", e.File, e.Problem) }

// IsDamage reports whether err says that a log is damaged or was altered, rather than
// that it could not be read.
func IsDamage(err error) bool {
	if _, ok := errors.AsType[*DamageError](err); ok {
		return true
	}
	_, ok := errors.AsType[*audit.CorruptError](err)
	return ok
}

// Check reads the whole log that r sees and recomputes all of it from the entries:
// their hashes, the tiles, the root, and the root that the checkpoint was signed over.
// A checkpoint of no entries is passed over. Errors: a [*DamageError], a
// [*audit.CorruptError], ctx's cause, those of the file system.
func Check(ctx context.Context, r *audit.Reader, checkpoint tlog.Tree, progress Progress) error {
	_, err := check(ctx, r, checkpoint, progress)
	return err
}

// check is Check, and gives the tree.
func check(ctx context.Context, r *audit.Reader, checkpoint tlog.Tree, progress Progress) (*audit.Tree, error) {
	state := r.Tree()
	size := uint64(state.N)
	if _, err := audit.TreeOf(r.State()); err != nil {
		return nil, &DamageError{File: layout.StateFile, Problem: "cannot be: " + err.Error()}
	}
	if uint64(checkpoint.N) > size {
		return nil, &DamageError{File: layout.CheckpointFile, Problem: fmt.Sprintf("was signed over %d entries, and the log has %d: entries were cut off", checkpoint.N, size)}
	}
	t := &audit.Tree{}
	tiles := tileCheck{r: r}
	err := Leaves(ctx, r, 1, size, func(seq uint64, _ []byte, h tlog.Hash) error {
		t.Push(h, tiles.hash)
		if seq == uint64(checkpoint.N) && t.Root() != checkpoint.Hash {
			return &DamageError{File: layout.CheckpointFile, Problem: fmt.Sprintf("was signed over %d entries with the root %s, and the first %d entries have the root %s: the log was altered", seq, checkpoint.Hash, seq, t.Root())}
		}
		if seq%often == 0 {
			progress.tell("verifying the log", seq, size)
		}
		return tiles.err
	})
	if err == nil {
		err = tiles.rest()
	}
	if err != nil {
		return nil, err
	}
	if t.Root() != state.Hash {
		return nil, &DamageError{File: layout.StateFile, Problem: fmt.Sprintf("has the root %s, and the %d entries have the root %s", state.Hash, size, t.Root())}
	}
	progress.tell("verifying the log", size, size)
	return t, nil
}

// Leaves is [audit.Reader.HashedLeaves] for those who must not believe the disk: each
// leaf must also be the one of its sequence. It ends when ctx does.
func Leaves(ctx context.Context, r *audit.Reader, first, last uint64, each func(seq uint64, leaf []byte, h tlog.Hash) error) error {
	return r.HashedLeaves(first, last, func(seq uint64, leaf []byte, h tlog.Hash) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		file := layout.SegmentFile((seq - 1) / layout.SegmentLeaves)
		switch l, err := layout.ParseLeaf(leaf); {
		case err != nil:
			return &DamageError{file, seq, fmt.Sprintf("has no entry where that of sequence %d should be: %v", seq, err)}
		case l.Seq != seq:
			return &DamageError{file, seq, fmt.Sprintf("has the entry of sequence %d in the place of %d", l.Seq, seq)}
		}
		return each(seq, leaf, h)
	})
}

// tileCheck holds the tiles above the lowest level against what the leaves make them.
type tileCheck struct {
	r     *audit.Reader
	tiles [layout.MaxLevels]struct {
		n     int64
		bytes []byte
	}
	err error
}

func (c *tileCheck) hash(level int, h tlog.Hash) {
	if level == 0 { // Leaves has looked
		return
	}
	tile := &c.tiles[level]
	tile.bytes = append(tile.bytes, h[:]...)
	if len(tile.bytes) == layout.TileWidth*layout.HashSize {
		c.compare(level)
	}
}

func (c *tileCheck) compare(level int) {
	tile := &c.tiles[level]
	width := len(tile.bytes) / layout.HashSize
	if width == 0 || c.err != nil {
		return
	}
	there, err := c.r.Tile(tlog.Tile{H: layout.TileHeight, L: level, N: tile.n, W: width})
	if err == nil && !bytes.Equal(there, tile.bytes) {
		at := 0
		for there[at] == tile.bytes[at] {
			at++
		}
		err = &DamageError{File: layout.TileFile(level), Problem: fmt.Sprintf("has another hash at place %d than the entries make", int(tile.n)*layout.TileWidth+at/layout.HashSize)}
	}
	c.err = err
	tile.n++
	tile.bytes = tile.bytes[:0]
}

// rest looks at the partial tiles.
func (c *tileCheck) rest() error {
	for level := range c.tiles {
		c.compare(level)
	}
	return c.err
}
