package audit

import (
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// Prove gives the proof that the leaf of a sequence is in the tree of the first size
// leaves (RFC 6962, section 2.1.1).
func (r *Reader) Prove(seq, size uint64) (tlog.RecordProof, error) {
	if now := r.Size(); size > now {
		return nil, &NotYetError{size, now}
	}
	if seq == 0 || seq > size {
		return nil, &NotYetError{seq, size}
	}
	p, err := tlog.ProveRecord(int64(size), int64(seq-1), r)
	if err != nil {
		return nil, fmt.Errorf("prove the entry of sequence %d: %w", seq, err)
	}
	return p, nil
}

// ProveConsistency gives the proof that the tree of the first newer leaves begins with
// that of the first older ones (RFC 6962, section 2.1.2).
func (r *Reader) ProveConsistency(older, newer uint64) (tlog.TreeProof, error) {
	if now := r.Size(); newer > now || older > newer || older == 0 {
		return nil, &NotYetError{max(older, newer), now}
	}
	return tlog.ProveTree(int64(newer), int64(older), r)
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
	if c.Older, err = r.TreeAt(older); err == nil {
		if c.Newer, err = r.TreeAt(newer); err == nil {
			c.Proof, err = r.ProveConsistency(older, newer)
		}
	}
	if err != nil {
		return Consistency{}, err
	}
	if c.Newer.N == cp.N {
		c.Checkpoint = checkpoint
	}
	// Nobody is to be given a proof that proves nothing.
	err = tlog.CheckTree(c.Proof, c.Newer.N, c.Newer.Hash, c.Older.N, c.Older.Hash)
	if err == nil && c.Newer.N == cp.N && c.Newer.Hash != cp.Hash {
		err = fmt.Errorf("their root is %s, and %s was signed", c.Newer.Hash, cp.Hash)
	}
	if err != nil {
		return Consistency{}, &CorruptError{layout.TilesDir, fmt.Sprintf("has hashes that do not lead from the root of %d entries to that of %d: %v", older, newer, err), err}
	}
	return c, nil
}

// Proof gives a https://c2sp.org/tlog-proof for the leaf of a sequence: the inclusion
// proof with the signed checkpoint that it leads to. Its extra data is the leaf, so
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
	p, err := r.Prove(seq, uint64(cp.N))
	if err != nil {
		return nil, err
	}
	// Nobody is to be given a proof that proves nothing.
	if err := tlog.CheckRecord(p, cp.N, cp.Hash, int64(seq-1), tlog.RecordHash(leaf)); err != nil {
		return nil, &CorruptError{layout.TilesDir, fmt.Sprintf("has hashes that do not lead from the entry of sequence %d to the root that was signed over %d entries", seq, cp.N), err}
	}
	return torchwood.FormatProofWithExtraData(int64(seq-1), leaf, p, checkpoint), nil
}
