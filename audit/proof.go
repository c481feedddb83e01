package audit

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// proving reads the hashes of a proof, and notes which they were: a proof that does not
// lead to the root that was signed has to say which file is damaged.
type proving struct {
	*Reader
	read []int64
}

// ReadHashes implements [tlog.HashReader].
func (p *proving) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	p.read = append(p.read, indexes...)
	return p.Reader.ReadHashes(indexes)
}

// damage names the file that the hashes of a proof were damaged in. Where all that were
// read are the log's own, the checkpoint is of another log.
func (p *proving) damage(cp torchwood.Checkpoint, what string, err error) error {
	if bad, ok := errors.AsType[*CorruptError](p.damagedTile()); ok {
		return &CorruptError{bad.File, bad.Problem + ", so that " + what + " cannot be proved", err}
	}
	return &CorruptError{layout.CheckpointFile, fmt.Sprintf("was signed over %d entries with the root %s, and the log's hashes do not lead to it from %s: the log was altered", cp.N, cp.Hash, what), err}
}

// damagedTile looks at the tiles that hashes were read from, the upper ones first: what a
// tile is held against is above it.
func (p *proving) damagedTile() error {
	s := p.state.Load()
	seen := map[tlog.Tile]bool{}
	for _, index := range p.read {
		t := tlog.TileForIndex(layout.TileHeight, index)
		seen[tlog.Tile{H: t.H, L: t.L, N: t.N}] = true
	}
	// The right edge has the newest hash of each level: it is what the root is made of.
	for level := range layout.MaxLevels {
		if n := layout.LevelHashes(level, s.Size); n%layout.TileWidth != 0 {
			seen[tlog.Tile{H: layout.TileHeight, L: level, N: int64(n >> layout.TileHeight)}] = true
		}
	}
	tiles := slices.SortedFunc(maps.Keys(seen), func(a, b tlog.Tile) int {
		return cmp.Or(cmp.Compare(b.L, a.L), cmp.Compare(a.N, b.N))
	})
	for _, t := range tiles {
		if _, err := p.trueTile(s, t.L, t.N); err != nil {
			return err
		}
	}
	return nil
}

// Consistency is the proof that a tree of the log begins with an older one.
type Consistency struct {
	Older, Newer tlog.Tree
	// Proof is that of RFC 9162, section 2.1.4 (RFC 6962, section 2.1.2);
	// [tlog.CheckTree] verifies it. It is empty where both are the same.
	Proof tlog.TreeProof
	// Checkpoint is signed over Newer; nil where Newer is smaller than the checkpoint that
	// was given.
	Checkpoint []byte
}

// Consistency proves that the tree of the first newer leaves begins with that of the
// first older ones. The tree may not be newer than a signed checkpoint, whose size is
// taken for 0. Errors: a [*NotYetError] for sizes that the checkpoint does not reach, or
// that are not in order (older from 1 on), a [*CorruptError], those of the file system.
// Both roots are proved to be those of the tree that was signed, whatever their sizes.
func (r *Reader) Consistency(older, newer uint64, checkpoint []byte) (c Consistency, err error) {
	cp, err := parseCheckpoint(checkpoint)
	if err != nil {
		return c, err
	}
	if newer == 0 {
		newer = uint64(cp.N)
	}
	if newer > uint64(cp.N) || older > newer || older == 0 {
		return c, &NotYetError{max(older, newer), uint64(cp.N)}
	}
	if now := r.Size(); uint64(cp.N) > now {
		return c, &NotYetError{uint64(cp.N), now}
	}
	p := &proving{Reader: r}
	c.Older.N, c.Newer.N = int64(older), int64(newer)
	if c.Older.Hash, err = tlog.TreeHash(c.Older.N, p); err != nil {
		return Consistency{}, err
	}
	if c.Newer.Hash, err = tlog.TreeHash(c.Newer.N, p); err != nil {
		return Consistency{}, err
	}
	if c.Proof, err = tlog.ProveTree(c.Newer.N, c.Older.N, p); err != nil {
		return Consistency{}, err
	}
	// Nobody is to be given a proof that proves nothing, nor one from or to a root that is
	// not the log's: a damaged hash makes all that it is used for agree with each other. So
	// the newer tree is proved to be in the signed one, and the older to be in the newer.
	signed, err := tlog.ProveTree(cp.N, c.Newer.N, p)
	if err != nil {
		return Consistency{}, err
	}
	err = tlog.CheckTree(signed, cp.N, cp.Hash, c.Newer.N, c.Newer.Hash)
	if err == nil {
		err = tlog.CheckTree(c.Proof, c.Newer.N, c.Newer.Hash, c.Older.N, c.Older.Hash)
	}
	if err != nil {
		return Consistency{}, p.damage(cp, fmt.Sprintf("what was there with %d and with %d entries", older, newer), err)
	}
	if c.Newer.N == cp.N {
		c.Checkpoint = checkpoint
	}
	return c, nil
}

// Proof gives a https://c2sp.org/tlog-proof for the leaf of a sequence: the inclusion
// proof (RFC 6962, section 2.1.1) with the signed checkpoint that it leads to. Its extra data is the leaf, so
// that whoever has the proof and the log's key needs nothing else.
func (r *Reader) Proof(seq uint64, checkpoint []byte) ([]byte, error) {
	cp, err := parseCheckpoint(checkpoint)
	if err != nil {
		return nil, err
	}
	leaf, err := r.Leaf(seq)
	if err != nil {
		return nil, err
	}
	if size := uint64(cp.N); seq > size {
		return nil, &NotYetError{seq, size}
	} else if now := r.Size(); size > now {
		return nil, &NotYetError{size, now}
	}
	hashes := &proving{Reader: r}
	p, err := tlog.ProveRecord(cp.N, int64(seq-1), hashes)
	if err != nil {
		return nil, fmt.Errorf("prove the entry of sequence %d: %w", seq, err)
	}
	// Nobody is to be given a proof that proves nothing.
	if err := tlog.CheckRecord(p, cp.N, cp.Hash, int64(seq-1), tlog.RecordHash(leaf)); err != nil {
		return nil, hashes.damage(cp, fmt.Sprintf("the entry of sequence %d", seq), err)
	}
	return torchwood.FormatProofWithExtraData(int64(seq-1), leaf, p, checkpoint), nil
}
