package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/identity"
)

// Verify reads a whole backup: each file that the manifest names, each entry, the root
// that they make, and the checkpoint's signature. It gives the manifest, and what reads
// the log, which the caller closes. What is wrong with the backup is an error that
// [IsDamage] tells, which names the file or the entry.
func Verify(ctx context.Context, dir string, progress archive.Progress) (*Manifest, *audit.Reader, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, nil, err
	}
	checkpoint, err := m.checkpoint()
	if err != nil {
		return nil, nil, err
	}
	r, err := m.open(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := archive.Check(ctx, r, checkpoint, progress); err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	if err := m.holds(ctx, dir); err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	// It tells the operator from when on revocations may be missing.
	if last, err := r.Event(m.Size); err != nil {
		return nil, nil, errors.Join(err, r.Close())
	} else if !last.Received.Equal(m.AsOf) {
		return nil, nil, errors.Join(&DamageError{ManifestFile, fmt.Sprintf("is as of %s, and its last event was received at %s", m.AsOf, last.Received)}, r.Close())
	}
	return m, r, nil
}

// holds looks whether the files are those of the manifest, and the keys those of the log.
func (m *Manifest) holds(ctx context.Context, dir string) error {
	for _, f := range m.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.holds(dir); err != nil {
			return err
		}
	}
	for _, name := range []string{"identity.json", "log.key"} {
		if _, ok := m.file(keysDir + "/" + name); !ok {
			return &DamageError{ManifestFile, "does not name keys/" + name}
		}
	}
	id, err := openKeys(dir)
	if err != nil {
		return err
	}
	if id.PublicKey != m.PublicKey || id.Node != m.Node {
		return &DamageError{keysDir + "/identity.json", "is not of the node that the manifest names"}
	}
	_, err = id.Signer()
	return err
}

// open opens the log of a backup at the manifest's size, whatever lies behind it.
func (m *Manifest) open(dir string) (*audit.Reader, error) {
	slot, err := layout.EncodeSlot(m.State)
	if err != nil {
		return nil, err
	}
	return audit.OpenReaderOn(stateFS{audit.Dir(filepath.Join(dir, auditDir)), slot})
}

// stateFS is a log's directory with another state.
type stateFS struct {
	audit.FS
	slot []byte
}

// ReadFile implements [audit.FS].
func (s stateFS) ReadFile(name string) ([]byte, error) {
	if name == layout.StateFile {
		return s.slot, nil
	}
	return s.FS.ReadFile(name)
}

// newestThere gives the newest checkpoint by the same key in a data directory.
func newestThere(data string, m *Manifest) (identity.Mark, bool) {
	key, err := m.key()
	if err != nil {
		return identity.Mark{}, false
	}
	signed, tree, err := archive.Checkpoint(filepath.Join(data, auditDir), key)
	if err != nil || signed == nil {
		return identity.Mark{}, false
	}
	return identity.Mark{Size: uint64(tree.N), Root: tree.Hash}, true
}
