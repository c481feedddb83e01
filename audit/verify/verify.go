package verify

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// Options is what a log is held against.
type Options struct {
	// Key is the log's verifier key, as golang.org/x/mod/sumdb/note writes it. It is
	// required: a key that comes from the log itself proves nothing.
	Key string
	// Since is signed checkpoints of this log that were remembered. The log must have
	// what each was signed over.
	Since [][]byte
	// EvidenceDir is where two checkpoints that contradict each other are kept; "" is
	// the current directory.
	EvidenceDir string
	// Progress, if not nil, is told how many of the entries are verified. It is called
	// by the goroutine that called [Verify].
	Progress func(done, total uint64)
}

// Report is what a log that is true has.
type Report struct {
	// Origin is the log's name, and Key the verifier key.
	Origin string
	Key    string
	// Size is the number of entries that the checkpoint was signed over, which is the
	// last sequence too; Root is that of their tree.
	Size uint64
	Root tlog.Hash
	// Committed is the number of entries that were verified. Those behind Size are
	// held by the log's own state, and not signed yet.
	Committed uint64
	// Since is the size of the newest remembered checkpoint, if there is one.
	Since *uint64
	// Warnings is what is odd, and does not make the log untrue.
	Warnings []Warning
	// Checkpoint is the signed checkpoint, to be remembered.
	Checkpoint []byte
}

// Verify reads the whole log and computes its tree anew: each entry has its sequence
// and its hash, each stored hash follows from the entries, and the root is the signed
// one. src cannot be used again.
//
// An [*Error] says that the log is not what its key has signed; it names the first
// place. Other errors: [*KeyError]; ctx's cause; those of reading.
func Verify(ctx context.Context, src Source, o Options) (_ *Report, err error) {
	defer func() { err = errors.Join(err, src.close()) }()
	key, err := note.NewVerifier(o.Key)
	if err != nil {
		return nil, &KeyError{err}
	}
	signed, err := src.checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	cp, err := opened(signed, key)
	if err != nil {
		return nil, err
	}
	r := &Report{Origin: cp.Origin, Key: o.Key, Size: uint64(cp.N), Root: cp.Hash, Checkpoint: signed}
	marks := []mark{{size: r.Size, root: cp.Hash, what: bySignature}}
	for _, remembered := range o.Since {
		old, err := o.since(key, remembered, signed, cp)
		if err != nil {
			return nil, err
		}
		size := uint64(old.N)
		if r.Since == nil || size > *r.Since {
			r.Since = &size
		}
		marks = append(marks, mark{size: size, root: old.Hash, what: byMemory, note: remembered})
	}
	own, err := src.committed(ctx, cp.Tree)
	if err != nil {
		return nil, err
	}
	marks = append(marks, own...)
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	r.Committed = marks[len(marks)-1].size
	warnings, err := src.survey(ctx)
	if err != nil {
		return nil, err
	}
	v := &verifier{src: src, key: o.Key, origin: cp.Origin, size: r.Committed, marks: marks, progress: o.Progress}
	if err := v.run(ctx); err != nil {
		return nil, o.keepContradiction(err, v.wrong, cp.Origin, signed)
	}
	more, err := src.finish(ctx)
	r.Warnings = append(append([]Warning{}, warnings...), more...)
	return r, err
}

// misplaced is an entry in another's place.
func misplaced(file string, has, seq uint64) *Error {
	return bad(file, hintKeep, "the entry of sequence %d stands in the place of sequence %d: entries were swapped, removed or put in", has, seq).at(seq)
}

// unmet says that a root is not the one that the entries have.
func (m *mark) unmet(root tlog.Hash) *Error {
	switch m.what {
	case bySignature:
		return bad(layout.CheckpointFile, hintKeep, "it was signed over %d entries with the root %s, and the entries have the root %s. Entries and hashes agree with each other: entries were altered, removed or reordered and all hashes recomputed; the signature does not cover it", m.size, m.root, root)
	case byMemory:
		return bad(layout.CheckpointFile, hintKeep, "it is signed, and contradicts the remembered one: of the first %d entries the remembered root is %s, and the log has %s. The log was rewritten at or below sequence %d", m.size, m.root, root, m.size)
	}
	if root == m.root {
		return bad(layout.StateFile, hintRestore, "its right edge is not that of the tree of %d entries: the file was altered", m.size)
	}
	return bad(layout.StateFile, hintKeep, "it names the root %s for %d entries, and the entries have the root %s: entries that no checkpoint is signed over yet were altered, or the file was", m.root, m.size, root)
}
