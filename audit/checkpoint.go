package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// sign gives the checkpoint of a tree, https://c2sp.org/tlog-checkpoint, signed.
func sign(signer note.Signer, tree tlog.Tree) ([]byte, error) {
	text := torchwood.Checkpoint{Origin: signer.Name(), Tree: tree}.String()
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return signed, nil
}

// OpenCheckpoint reads a checkpoint whose signature is by the log's key, and whose
// origin is the key's name.
func OpenCheckpoint(signed []byte, key note.Verifier) (torchwood.Checkpoint, error) {
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(key.Name()), torchwood.SingleVerifierPolicy(key))
	cp, _, err := torchwood.VerifyCheckpoint(signed, policy)
	return cp, err
}

// OpenCheckpoint is [OpenCheckpoint] of the log's own checkpoint, which cannot be over more
// entries than the log has: where a node may run, read it before the log is opened. Its
// error is a [*CorruptError].
func (r *Reader) OpenCheckpoint(signed []byte, key note.Verifier) (torchwood.Checkpoint, error) {
	cp, err := OpenCheckpoint(signed, key)
	if err != nil {
		return cp, &CorruptError{layout.CheckpointFile, fmt.Sprintf("is not one that this node's key %s has signed: %v", key.Name(), err), err}
	}
	if size := r.Size(); uint64(cp.N) > size {
		return cp, corrupt(layout.CheckpointFile, "was signed over %d entries, and the log has %d: entries were cut off", cp.N, size)
	}
	return cp, nil
}

// parseCheckpoint reads a checkpoint that this process has signed or opened.
func parseCheckpoint(signed []byte) (torchwood.Checkpoint, error) {
	// Of a note, what stands before the last blank line is the text.
	for i := len(signed) - 2; i >= 0; i-- {
		if signed[i] == '\n' && signed[i+1] == '\n' {
			return torchwood.ParseCheckpoint(string(signed[:i+1]))
		}
	}
	return torchwood.Checkpoint{}, fmt.Errorf("this is no signed checkpoint")
}

// checkpoints is the newest signed checkpoint of a log.
type checkpoints struct {
	mu     sync.Mutex
	signed []byte
	size   uint64 // of signed
	held   bool   // until Log.Sign
	closed bool
}

// keep has the committed tree signed, and the checkpoint on the disk, unless it is
// there already. It is given to nobody before that.
func (c *checkpoints) keep(l *Log) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keepLocked(l)
}

func (c *checkpoints) keepLocked(l *Log) error {
	tree := l.Tree()
	switch {
	case c.held || c.signed != nil && uint64(tree.N) == c.size:
		return nil
	case c.closed:
		return ErrClosed
	}
	if fatal := l.failure(); fatal != nil {
		return fatal
	}
	signed, err := sign(l.cfg.Signer, tree)
	if err != nil {
		return err
	}
	if err := replace(l.cfg.FS, layout.CheckpointFile, signed); err != nil {
		return fmt.Errorf("keep the checkpoint: %w", err)
	}
	c.signed, c.size = signed, uint64(tree.N)
	return nil
}

// Signed is the size of the newest signed checkpoint.
func (l *Log) Signed() uint64 {
	l.checkpoints.mu.Lock()
	defer l.checkpoints.mu.Unlock()
	return l.checkpoints.size
}

// Sign lets a log sign that was opened with [Config.SignLater].
func (l *Log) Sign() {
	l.checkpoints.mu.Lock()
	defer l.checkpoints.mu.Unlock()
	l.checkpoints.held = false
}

// Checkpoint commits what was appended and gives a signed checkpoint over it,
// https://c2sp.org/tlog-checkpoint; while a log may not sign, the newest there is.
// Errors: ctx's cause, [ErrClosed], a [*FatalError].
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	if err := l.WaitFor(ctx, l.Appended()); err != nil {
		return nil, err
	}
	if err := l.checkpoints.keep(l); errors.Is(err, ErrClosed) {
		return nil, err
	} else if err != nil {
		l.fail(err)
		return nil, &FatalError{err}
	}
	l.checkpoints.mu.Lock()
	defer l.checkpoints.mu.Unlock()
	return l.checkpoints.signed, nil
}

// close keeps the last one, and lets nobody write after that.
func (c *checkpoints) close(l *Log, sign bool) (err error) {
	if sign {
		err = c.keep(l)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return err
}

// replace puts a file in another's place, whole and durable.
func replace(fsys FS, name string, content []byte) error {
	f, err := fsys.Open(name+layout.NewSuffix, true)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(content, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = joinClose(err, f); err != nil {
		return err
	}
	if err := fsys.Rename(name+layout.NewSuffix, name); err != nil {
		return err
	}
	return fsys.SyncDir(".")
}
