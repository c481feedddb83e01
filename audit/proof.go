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
