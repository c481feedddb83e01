package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// Format is the version of backups that this build writes.
const Format = 1

// The names in a backup's directory, beside those of a log.
const (
	ManifestFile = "backup.json"
	keysDir      = "keys"
	auditDir     = "audit"
	// incompleteFile marks a directory whose first backup has not come to its end.
	incompleteFile = "incomplete"
)

// Manifest is the content of backup.json.
type Manifest struct {
	Format int `json:"format"`
	// Time is when the backup was made, and AsOf when its last event was received.
	Time time.Time `json:"time"`
	AsOf time.Time `json:"as_of"`
	Node string    `json:"node"`
	// Ledger is the ledger's id; empty if the node had not joined one.
	Ledger    string `json:"ledger,omitempty"`
	LogOrigin string `json:"log_origin"`
	PublicKey string `json:"public_key"`
	// State is the log's: size, root and right edge.
	layout.State
	// Checkpoint is the newest that the log had signed when the backup began.
	Checkpoint string `json:"checkpoint,omitempty"`
	Files      []File `json:"files"`
}

// File is a file of the backup. What lies behind its size is no part of it.
type File struct {
	// Name has slashes, and is relative to the backup's directory.
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// mark is the log that is backed up.
func (m *Manifest) mark() identity.Mark { return identity.Mark{Size: m.Size, Root: m.Root} }

// key is the log's public key.
func (m *Manifest) key() (note.Verifier, error) {
	v, err := note.NewVerifier(m.PublicKey)
	if err != nil {
		return nil, &DamageError{ManifestFile, "names no public key"}
	}
	return v, nil
}

// checkpoint is the tree of the checkpoint, whose signature has to be the log's.
func (m *Manifest) checkpoint() (tlog.Tree, error) {
	key, err := m.key()
	if err != nil || m.Checkpoint == "" {
		return tlog.Tree{}, err
	}
	return archive.OpenCheckpoint([]byte(m.Checkpoint), key)
}

// file gives what the manifest says of a file.
func (m *Manifest) file(name string) (File, bool) {
	for _, f := range m.Files {
		if f.Name == name {
			return f, true
		}
	}
	return File{}, false
}

// DamageError says that a backup is not what was written.
type DamageError struct {
	// File is the name in the backup's directory.
	File    string
	Problem string
}

func (e *DamageError) Error() string { return fmt.Sprintf("the backup's %s %s", e.File, e.Problem) }

// IncompleteError says that a directory holds a backup that has not come to its end.
type IncompleteError struct{ Dir string }

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("the backup in %s was interrupted before its end, and is none; run tokenledger backup again, or name another directory", e.Dir)
}

// NewerError says that a newer build made a backup.
type NewerError struct{ Have int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the backup has format %d, and this tokenledger knows formats up to %d: a newer version made it; use that version, or a newer one", e.Have, Format)
}

// IsDamage reports whether err says that a log, a backup or a stream is damaged or was
// altered, rather than that it could not be read.
func IsDamage(err error) bool {
	_, ok := errors.AsType[*DamageError](err)
	_, stream := errors.AsType[*StreamError](err)
	return ok || stream || archive.IsDamage(err)
}

// ReadManifest reads the manifest of a backup. An error of a directory that has none is
// [fs.ErrNotExist], or an [*IncompleteError].
func ReadManifest(dir string) (*Manifest, error) {
	raw, err := plain.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(dir, incompleteFile)); err == nil {
			return nil, &IncompleteError{dir}
		}
		return nil, fmt.Errorf("%s holds no backup: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	var version struct{ Format int }
	if err := json.Unmarshal(raw, &version); err != nil || version.Format == 0 {
		return nil, &DamageError{ManifestFile, "is no manifest of a backup"}
	}
	if version.Format > Format {
		return nil, &NewerError{version.Format}
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, &DamageError{ManifestFile, "cannot be read: " + err.Error()}
	}
	if _, err := audit.TreeOf(m.State); err != nil || m.Size == 0 {
		return nil, &DamageError{ManifestFile, "contradicts itself: its size, root and edge do not belong together"}
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || strings.Contains(f.Name, `\`) {
			return nil, &DamageError{ManifestFile, fmt.Sprintf("names a file outside of the backup: %q", f.Name)}
		}
	}
	return &m, nil
}

// write puts the manifest into its place.
func (m *Manifest) write(dir string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return replace(dir, ManifestFile, append(raw, '\n'))
}

// sum hashes the first size bytes of a file of the backup; a negative size is all of it.
func sum(dir, name string, size int64) (File, error) {
	f, err := plain.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	var r io.Reader = f
	if size >= 0 {
		r = io.LimitReader(f, size)
	}
	n, err := io.Copy(h, r)
	return File{name, n, hex.EncodeToString(h.Sum(nil))}, err
}

// holds looks whether a file is the one of the manifest.
func (f File) holds(dir string) error {
	is, err := sum(dir, f.Name, f.Size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &DamageError{f.Name, "is missing"}
	case errors.Is(err, plain.ErrNotPlain):
		return &DamageError{f.Name, "is no plain file"}
	case err != nil:
		return err
	case is.Size < f.Size:
		return &DamageError{f.Name, fmt.Sprintf("ends at byte %d of %d", is.Size, f.Size)}
	case is.SHA256 != f.SHA256:
		return &DamageError{f.Name, "is not the one that was backed up: its SHA-256 is another"}
	}
	return nil
}

// replace puts a file in another's place, whole, durable, and the owner's alone.
func replace(dir, name string, content []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	f, err := os.OpenFile(path+layout.NewSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+layout.NewSuffix, path); err != nil {
		return err
	}
	return durable.Dir(filepath.Dir(path))
}
