package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// Options say what to back up.
type Options struct {
	// Data is the data directory of a node, which may run.
	Data string
	// Dir is the backup's directory: a new or empty one, or one that has an earlier
	// backup of the same log, which is brought up to date.
	Dir      string
	Progress archive.Progress

	// step, in tests, ends the backup as a crash would.
	step func(string) error
}

// Made says what was backed up.
type Made struct {
	*Manifest
	// Earlier is how many of the events the directory had already.
	Earlier uint64
}

// Make backs a node's log up, with its keys, as the log is now. Errors: of a damaged log
// or an earlier backup that is not of this log, those that [IsDamage] tells; an
// [*identity.LockedError], if another backup into the directory runs; those of the file
// system. After an error an earlier backup is as it was.
func Make(ctx context.Context, o Options) (_ *Made, err error) {
	if o.step == nil {
		o.step = func(string) error { return nil }
	}
	id, err := openKeys(o.Data)
	if err != nil {
		return nil, err
	}
	if err := Apart(o.Data, o.Dir); err != nil {
		return nil, err
	}
	if _, err := prepare(o.Dir); err != nil {
		return nil, err
	}
	lock, err := identity.LockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	// Another backup may have come to its end before the lock was free.
	earlier, err := prepare(o.Dir)
	if err != nil {
		return nil, err
	}

	key, err := id.Verifier()
	if err != nil {
		return nil, err
	}
	logDir := filepath.Join(o.Data, auditDir)
	// The checkpoint first: the state that is read after it has all that it promises.
	signed, checkpoint, err := archive.Checkpoint(logDir, key)
	if err != nil {
		return nil, err
	}
	r, err := audit.OpenReader(logDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no audit log: start the node once, or see whether --data is right: %w", o.Data, err)
	} else if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	m := &Manifest{
		Format: Format, Time: time.Now().UTC().Truncate(time.Second),
		Node: id.Node, LogOrigin: id.LogOrigin, PublicKey: id.PublicKey, Checkpoint: string(signed),
	}
	if id.LedgerID != (ulid.ULID{}) {
		m.Ledger = id.LedgerID.String()
	}
	if err := follows(r, m, earlier, checkpoint); err != nil {
		return nil, err
	}
	made := &Made{Manifest: m, Earlier: earlier.Size}
	return made, made.copyAll(ctx, o, r, earlier, checkpoint)
}

// openKeys reads the identity of a node. It makes none.
func openKeys(data string) (*identity.Identity, error) {
	keys := filepath.Join(data, keysDir)
	if _, err := os.Stat(filepath.Join(keys, "identity.json")); err != nil {
		return nil, fmt.Errorf("%s is not a node's data directory: %w", data, err)
	}
	return identity.Open(keys)
}

// Apart refuses a directory that lies in another one, which holds data.
func Apart(data, dir string) error {
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if rest, err := filepath.Rel(data, dir); err == nil && filepath.IsLocal(rest) {
		return fmt.Errorf("%s lies in %s: what happens to the one happens to the other; name a directory on another disk", dir, data)
	}
	return nil
}

// prepare makes the directory, or gives the earlier backup in it; one of no events
// where there is none.
func prepare(dir string) (*Manifest, error) {
	m, err := ReadManifest(dir)
	if err == nil {
		return m, nil
	}
	if _, ok := errors.AsType[*IncompleteError](err); ok {
		return none(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		// A run that was killed at its very beginning leaves its mark under a name of
		// its own.
		if e.Name() != "lock" && e.Name() != incompleteFile+layout.NewSuffix {
			return nil, fmt.Errorf("%s is not empty, and holds no backup: name a new directory, or one that has an earlier backup of this node", dir)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	return none(), replace(dir, incompleteFile, []byte("a first backup into this directory has not come to its end; run tokenledger backup again\n"))
}

func none() *Manifest { return &Manifest{State: (&audit.Tree{}).State()} }

// follows looks whether the log goes on where the earlier backup ends, and agrees with
// its own checkpoint.
func follows(r *audit.Reader, m, earlier *Manifest, checkpoint tlog.Tree) error {
	size := r.Size()
	switch {
	case size == 0:
		return errors.New("the audit log has no entries yet: there is nothing to back up")
	case uint64(checkpoint.N) > size:
		return &archive.DamageError{File: layout.CheckpointFile, Problem: fmt.Sprintf("was signed over %d entries, and the log has %d: entries were cut off", checkpoint.N, size)}
	case earlier.Size == 0:
		return nil
	case earlier.LogOrigin != m.LogOrigin || earlier.PublicKey != m.PublicKey:
		return fmt.Errorf("the directory has a backup of another log, %s; this one is %s: name another directory", earlier.LogOrigin, m.LogOrigin)
	case earlier.Size > size:
		return &archive.DamageError{File: layout.StateFile, Problem: fmt.Sprintf("has %d entries, and the backup has %d of this log: the log lost its end, or is an older copy; keep the backup", size, earlier.Size)}
	}
	tree, err := r.TreeAt(earlier.Size)
	if err != nil {
		return err
	}
	if tree.Hash != earlier.Root {
		return &archive.DamageError{File: layout.TilesDir, Problem: fmt.Sprintf("has at %d entries the root %s, and the backup of this log has %s: one of the two was altered; keep the backup", earlier.Size, tree.Hash, earlier.Root)}
	}
	if n := uint64(checkpoint.N); n > 0 && n <= earlier.Size {
		tree, err := r.TreeAt(n)
		if err != nil {
			return err
		}
		if tree.Hash != checkpoint.Hash {
			return &archive.DamageError{File: layout.CheckpointFile, Problem: fmt.Sprintf("was signed over %d entries with the root %s, and they have the root %s: the log was altered", n, checkpoint.Hash, tree.Hash)}
		}
	}
	return nil
}

// copyAll copies what the earlier backup does not have, and puts the manifest over it.
func (m *Made) copyAll(ctx context.Context, o Options, r *audit.Reader, earlier *Manifest, checkpoint tlog.Tree) error {
	logDir := filepath.Join(o.Dir, auditDir)
	// What is about to grow is read anew afterwards: see first that it is what it was.
	for _, f := range earlier.Files {
		if grows(f.Name, earlier.Size) {
			if err := f.holds(o.Dir); err != nil {
				return err
			}
		}
	}
	c, err := beginCopy(logDir, earlier.State)
	if err != nil {
		return err
	}
	if err := c.copyLeaves(ctx, r, checkpoint, "backing up", o.Progress); err != nil {
		return err
	}
	m.State = c.tree.State()
	if err := o.step("copied"); err != nil {
		return err
	}
	last, err := r.Leaf(m.Size)
	if err != nil {
		return err
	}
	l, err := layout.ParseLeaf(last)
	if err != nil {
		return err
	}
	m.AsOf = l.Received
	names, err := m.copyKeys(o, earlier)
	if err != nil {
		return err
	}
	for _, name := range c.written() {
		names = append(names, path.Join(auditDir, name))
	}
	if err := m.list(ctx, o.Dir, earlier, names); err != nil {
		return err
	}
	if err := c.seal(m.Checkpoint); err != nil {
		return err
	}
	if err := o.step("sealed"); err != nil {
		return err
	}
	if err := m.write(o.Dir); err != nil {
		return err
	}
	if err := durable.Dir(filepath.Dir(filepath.Clean(o.Dir))); err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(o.Dir, incompleteFile))
	return nil
}

// grows reports whether a file of a backup is written to when there are more events.
func grows(name string, size uint64) bool {
	rest, ok := strings.CutPrefix(name, auditDir+"/")
	if !ok {
		return false
	}
	if strings.HasPrefix(rest, layout.EntriesDir+"/") {
		return size%layout.SegmentLeaves != 0 && rest == layout.SegmentFile(size/layout.SegmentLeaves)
	}
	return true
}

// copyKeys copies keys/ and gives the names. An earlier backup has them already: what
// it holds is not replaced, or it would be spoilt until the manifest is.
func (m *Made) copyKeys(o Options, earlier *Manifest) (names []string, err error) {
	if err := os.MkdirAll(filepath.Join(o.Dir, keysDir), 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{"identity.json", "log.key"} {
		content, err := plain.ReadFile(filepath.Join(o.Data, keysDir, name))
		if err != nil {
			return nil, err
		}
		name = path.Join(keysDir, name)
		names = append(names, name)
		there, err := plain.ReadFile(filepath.Join(o.Dir, filepath.FromSlash(name)))
		if err == nil && string(there) == string(content) {
			continue
		}
		if earlier.Size > 0 {
			return nil, fmt.Errorf("%s has changed since the earlier backup in %s, which is left as it is: name another directory", name, o.Dir)
		}
		if err := replace(o.Dir, name, content); err != nil {
			return nil, err
		}
	}
	return names, durable.Dir(o.Dir)
}

// list hashes what was written, and takes over the rest from the earlier manifest.
func (m *Made) list(ctx context.Context, dir string, earlier *Manifest, written []string) error {
	for _, f := range earlier.Files {
		if !slices.Contains(written, f.Name) {
			m.Files = append(m.Files, f)
		}
	}
	for _, name := range written {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := sum(dir, name, -1)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return nil
}
