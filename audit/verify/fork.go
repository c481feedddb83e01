package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// since holds the remembered checkpoint against the current one, as far as that needs
// no entries.
func (o *Options) since(key note.Verifier, remembered, signed []byte, cp torchwood.Checkpoint) (torchwood.Checkpoint, error) {
	old, err := openCheckpoint(remembered, key)
	if err != nil {
		return old, &Error{
			File: "remembered checkpoint", Problem: fmt.Sprintf("it is no checkpoint that the key %s has signed: %v", key.Name(), err),
			Hint: "was it remembered from this log? " + hintKey,
		}
	}
	switch {
	case cp.N < old.N:
		return old, bad(layout.CheckpointFile, hintKeep, "it was signed over %d entries, and one over %d is remembered: the log was rolled back, or an older checkpoint is shown again", cp.N, old.N)
	case cp.N == old.N && cp.Hash != old.Hash:
		return old, o.fork(remembered, signed, cp, old)
	}
	return old, nil
}

// fork keeps two checkpoints that cannot both be true as evidence.
func (o *Options) fork(remembered, signed []byte, cp, old torchwood.Checkpoint) error {
	e := bad(layout.CheckpointFile, "", "it was signed over %d entries with the root %s, and a remembered one over as many with the root %s: the key has signed two logs", cp.N, cp.Hash, old.Hash)
	return o.keepBoth(e, cp.Origin, uint64(old.N), old.Hash, cp.Hash, remembered, signed)
}

// keepContradiction keeps as evidence a remembered checkpoint that the verified one, of
// another size, contradicts.
func (o *Options) keepContradiction(err error, w *wrongRoot, origin string, signed []byte) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || w == nil || w.mark.what != byMemory {
		return err
	}
	return o.keepBoth(e, origin, w.mark.size, w.mark.root, w.root, w.mark.note, signed)
}

// keepBoth writes two checkpoints of one log that cannot both be true, and says so in e.
// At the size of the remembered one the log had one root then, and has another now.
func (o *Options) keepBoth(e *Error, origin string, size uint64, then, now tlog.Hash, remembered, signed []byte) error {
	name := filepath.Join(o.EvidenceDir, fmt.Sprintf("tokenledger-fork-%d-%x-%x.txt", size, then[:4], now[:4]))
	var b bytes.Buffer
	fmt.Fprintf(&b, "Two checkpoints of the log %s, both signed by\n%s\n\nA log has one root for each size. Of its first %d entries the remembered root is\n%s\nand the log that the other is signed over has\n%s\nThis is a fork.\n", origin, o.Key, size, then, now)
	fmt.Fprintf(&b, "\n===== remembered =====\n%s\n===== shown now =====\n%s", remembered, signed)
	if err := keep(name, b.Bytes()); err != nil {
		e.Hint = fmt.Sprintf("the evidence could not be kept: %v; keep the remembered and the current checkpoint, both: they prove it to anybody who has the log's key", err)
		return e
	}
	e.Evidence = name
	e.Hint = fmt.Sprintf("both are kept in %s, which proves it to anybody who has the log's key; find out who holds the signing key", name)
	return e
}

// keep writes a new file and syncs it. The same content may be there already.
func keep(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if there, readErr := readPlain(name, int64(len(content))); readErr == nil && bytes.Equal(there, content) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
