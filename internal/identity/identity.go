// Package identity keeps what tells a node and its ledger from every other: the
// node's name, the ledger that its data belongs to, and the audit log's signing
// key. They lie in the data directory's keys/, readable by the owner alone.
//
// What Save has returned for is on disk: the file is written aside, synced and
// renamed, so that a crash leaves the old or the new one.
package identity

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// Format is the version of the data directory that this build writes. It rises
// when an older build could no longer read what a newer one wrote.
const Format = 1

// Identity is the content of keys/identity.json.
type Identity struct {
	Format int `json:"format"`
	// Node names this node in events. It is made once for each data directory.
	Node string `json:"node"`
	// LedgerID is the ledger that the data belongs to; zero until one was
	// created or joined. Once it is set, an empty stream is a lost stream.
	LedgerID ulid.ULID `json:"ledger_id,omitzero"`
	// LogOrigin and PublicKey are those of the audit log that this node made a
	// signing key for.
	LogOrigin string `json:"log_origin"`
	PublicKey string `json:"public_key"`
	// FirstRoot is the hash of the root token that was offered for a ledger that
	// was to be created here.
	FirstRoot events.Digest `json:"first_root,omitzero"`

	dir      string
	evidence Evidence
}

const (
	identityFile = "identity.json"
	signingFile  = "log.key"
)

// NewerError says that the data directory was written by a newer build.
type NewerError struct {
	Dir  string
	Have int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the data directory %s has format %d, and this tokenledger knows formats up to %d: a newer version wrote it; run that version, or a newer one (nothing was changed)", e.Dir, e.Have, Format)
}

// LostError says that the data directory holds a ledger's data and lacks a file that
// says whose. Nothing was changed.
type LostError struct {
	// Path is the file that is missing, Found what shows that it was there.
	Path, Found string
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s is missing, and %s shows that there was one: put it back from a backup; a node that makes a new one is another node, with another signing key (nothing was changed)", e.Path, e.Found)
}

// RestoringDir is where, in a data directory, a restore puts its parts together before it
// moves them to their places; identity.json comes last.
const RestoringDir = ".restoring"

// RestoringError says that the data directory is being restored, or that its restore did
// not come to its end. Nothing was changed.
type RestoringError struct{ Dir string }

func (e *RestoringError) Error() string {
	return fmt.Sprintf("the data directory %s is being restored from a backup, or that was interrupted before its end: run tokenledger restore again (nothing was changed)", e.Dir)
}

// Open reads the identity in dir, which is keys/ of a data directory, or makes one if
// the data directory is a new one. Errors: [*NewerError], [*LostError], a
// [*RestoringError], those of the file system.
func Open(dir string) (*Identity, error) {
	identity, signing := filepath.Join(dir, identityFile), filepath.Join(dir, signingFile)
	id, err := read(dir)
	if err == nil {
		if _, err := os.Stat(signing); errors.Is(err, fs.ErrNotExist) {
			return nil, &LostError{signing, identity}
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// A signing key by itself is what a crash in create leaves; with anything of a
	// ledger beside it, the identity was lost.
	data := filepath.Dir(dir)
	if _, err := os.Lstat(filepath.Join(data, RestoringDir)); err == nil {
		return nil, &RestoringError{data}
	}
	for _, found := range []string{filepath.Join(dir, evidenceFile), filepath.Join(data, "audit"), filepath.Join(data, "journal"), filepath.Join(data, "projections"), filepath.Join(data, "stream")} {
		if _, err := os.Stat(found); err == nil {
			return nil, &LostError{identity, found}
		}
	}
	return create(dir)
}

func read(dir string) (*Identity, error) {
	path := filepath.Join(dir, identityFile)
	raw, err := plain.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var id Identity
	if err := json.Unmarshal(raw, &id); err != nil {
		return nil, fmt.Errorf("read %s: %w: put the file back from a backup", path, err)
	}
	if id.Format > Format {
		return nil, &NewerError{Dir: filepath.Dir(dir), Have: id.Format}
	}
	if id.Node == "" {
		return nil, fmt.Errorf("read %s: it names no node: put the file back from a backup", path)
	}
	id.dir = dir
	return &id, id.readEvidence()
}

func create(dir string) (*Identity, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	node := strings.ToLower(ulid.MustNew(ulid.Now(), rand.Reader).String())
	origin := "tokenledger/" + node
	signer, verifier, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("make the audit log's signing key: %w", err)
	}
	if err := writeFile(dir, signingFile, []byte(signer+"\n")); err != nil {
		return nil, err
	}
	id := &Identity{Format: Format, Node: node, LogOrigin: origin, PublicKey: verifier, dir: dir}
	return id, id.save()
}

// Signer gives the audit log's signing key.
func (id *Identity) Signer() (note.Signer, error) {
	path := filepath.Join(id.dir, signingFile)
	raw, err := plain.ReadFile(path)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("read %s: it holds no signing key: put the file back from a backup", path)
	}
	if own, err := id.Verifier(); err != nil {
		return nil, err
	} else if own.Name() != signer.Name() || own.KeyHash() != signer.KeyHash() {
		return nil, fmt.Errorf("%s is not the key that %s names: put both back from one backup", path, filepath.Join(id.dir, identityFile))
	}
	return signer, nil
}

// Verifier gives the audit log's public key.
func (id *Identity) Verifier() (note.Verifier, error) {
	v, err := note.NewVerifier(id.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("read %s: it holds no public key: put the file back from a backup", filepath.Join(id.dir, identityFile))
	}
	return v, nil
}

// Join records that the data belongs to the ledger. From then on no other ledger
// is served from it, and no new one is created in it.
func (id *Identity) Join(ledger ulid.ULID) error {
	if id.LedgerID == ledger {
		return nil
	}
	id.LedgerID = ledger
	return id.save()
}

// Offer records the hash of a root token before it is handed over.
func (id *Identity) Offer(root events.Digest) error {
	id.FirstRoot = root
	return id.save()
}

func (id *Identity) save() error {
	raw, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(id.dir, identityFile, append(raw, '\n'))
}

// writeFile replaces dir/name as a whole, for the owner's eyes alone.
func writeFile(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	tmp, err := os.CreateTemp(dir, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return durable.Dir(dir)
}
