package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/offline"
	"github.com/tokenledger/tokenledger/internal/plain"
)

// RestoreOptions say what to restore, and where to.
type RestoreOptions struct {
	// Dir is the backup, Data the data directory that is made of it.
	Dir, Data string
	// Since is a signed checkpoint that is remembered of this log; nil if none is. One
	// that is newer than the backup shows that the ledger went on after it.
	Since []byte
	// AcceptLoss records that the events between the backup and the newest checkpoint
	// that is known are given up.
	AcceptLoss bool
	// NATSURL, if set, is where the stream belongs, with NATSCreds, a file or empty. One
	// that is there is held against the backup; where there is none it is made, with as
	// many Replicas.
	NATSURL, NATSCreds string
	Replicas           int
	// Logger receives what the NATS server logs. Nil: nothing is logged.
	Logger   *slog.Logger
	Progress archive.Progress

	step func(string) error
}

// Done says what was restored.
type Done struct {
	*Manifest
	// Marker is what the data directory keeps in mind of it.
	Marker identity.Restored
	// Stream is the last sequence of the stream; more than the backup's size on a
	// NATS server that has more.
	Stream uint64
	// OnlyAccepted: the directory had been restored from this backup before, and the loss
	// was recorded.
	OnlyAccepted bool
}

// Behind reports that the node will refuse to serve: events are known that are neither
// in the backup nor on the stream.
func (d *Done) Behind() bool {
	return d.Marker.Newest.Size > max(d.Size, d.Stream) && d.Marker.LossAccepted.IsZero()
}

// stagingDir is where a data directory is made, inside of its place: that may be a mount.
const stagingDir = identity.RestoringDir

// errCrash, in tests, is where a process was killed.
var errCrash = errors.New("the process was killed here")

// TakenError says that the data directory is not empty.
type TakenError struct {
	Data string
	// Newer, if not 0, is the size of a checkpoint there, by the log of the backup, that
	// is newer than the backup.
	Newer uint64
	Size  uint64
}

func (e *TakenError) Error() string {
	text := fmt.Sprintf("the data directory %s is not empty; move it aside, and restore into a new one (nothing was changed)", e.Data)
	if e.Newer > 0 {
		text += fmt.Sprintf(". Its audit log has signed %d events, and the backup has %d: it knows %d events more, revocations perhaps among them. Take a backup of it, if it can be read, or give its audit/checkpoint as --since, so that this is not forgotten",
			e.Newer, e.Size, e.Newer-e.Size)
	}
	return text
}

// Restore makes a data directory from a backup, when it has found the backup whole. The
// node does not serve from it before it has come past the newest checkpoint that is
// known: see [identity.CheckRestored].
//
// Errors: of a damaged backup, or one that contradicts the remembered checkpoint or the
// stream, those that [IsDamage] tells; a [*TakenError]; those of the file system. After an
// error the directory is not complete, and no node starts on it; Restore can be repeated.
func Restore(ctx context.Context, o RestoreOptions) (*Done, error) {
	if o.step == nil {
		o.step = func(string) error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := Apart(o.Dir, o.Data); err != nil {
		return nil, err
	}
	m, r, err := Verify(ctx, o.Dir, o.Progress)
	if err != nil {
		return nil, err
	}
	done, err := restore(ctx, o, m, r)
	return done, errors.Join(err, r.Close())
}

func restore(ctx context.Context, o RestoreOptions, m *Manifest, r *audit.Reader) (_ *Done, err error) {
	done := &Done{Manifest: m, Stream: m.Size, Marker: identity.Restored{Backup: m.mark(), AsOf: m.AsOf, Time: time.Now().UTC().Truncate(time.Second)}}
	if done.Marker.Newest, err = remembered(o, m, r); err != nil {
		return nil, err
	}
	if o.AcceptLoss && done.Marker.Newest.Size > 0 {
		done.Marker.LossAccepted = done.Marker.Time
	}
	if done.OnlyAccepted, err = accept(o, m, &done.Marker); err != nil || done.OnlyAccepted {
		return done, err
	}
	lock, err := take(o.Data, m)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	staging := filepath.Join(o.Data, stagingDir)
	if err := os.Mkdir(staging, 0o700); err != nil {
		return nil, err
	}
	if err := durable.Dir(o.Data); err != nil {
		return nil, err
	}
	if o.NATSURL != "" {
		done.Stream, err = externalStream(ctx, o, m, r)
	} else {
		err = embeddedStream(ctx, o, m, r, filepath.Join(staging, "stream"))
	}
	if err == nil {
		err = copyLog(ctx, o, m, r, filepath.Join(staging, auditDir))
	}
	if err == nil {
		err = makeKeys(o, m, r, &done.Marker, filepath.Join(staging, keysDir))
	}
	if err == nil {
		err = o.step("staged")
	}
	if err == nil {
		err = offline.SyncTree(staging)
	}
	if err != nil {
		if !errors.Is(err, errCrash) {
			err = errors.Join(err, os.RemoveAll(staging))
		}
		return nil, err
	}
	return done, place(o, staging)
}

// remembered gives the newest checkpoint that is known, if it is newer than the backup.
func remembered(o RestoreOptions, m *Manifest, r *audit.Reader) (identity.Mark, error) {
	if o.Since == nil {
		return identity.Mark{}, nil
	}
	key, err := m.key()
	if err != nil {
		return identity.Mark{}, err
	}
	tree, err := archive.OpenCheckpoint(o.Since, key)
	if err != nil {
		return identity.Mark{}, fmt.Errorf("the checkpoint of --since is not one of the log that the backup is of: %w", err)
	}
	if uint64(tree.N) > m.Size {
		return identity.Mark{Size: uint64(tree.N), Root: tree.Hash}, nil
	}
	there, err := r.TreeAt(uint64(tree.N))
	if err != nil {
		return identity.Mark{}, err
	}
	if there.Hash != tree.Hash {
		return identity.Mark{}, &DamageError{auditDir, fmt.Sprintf("has at %d events the root %s, and the checkpoint of --since has %s: the backup is of another history", tree.N, there.Hash, tree.Hash)}
	}
	return identity.Mark{}, nil
}

// accept records the loss in a directory that was restored from this backup before.
func accept(o RestoreOptions, m *Manifest, marker *identity.Restored) (bool, error) {
	keys := filepath.Join(o.Data, keysDir)
	there, err := identity.ReadRestored(keys)
	if err != nil || there == nil || !o.AcceptLoss || there.Backup != m.mark() {
		return false, nil //nolint:nilerr // then the directory is refused as any that is not empty
	}
	lock, err := identity.LockDir(o.Data)
	if err != nil {
		return false, err
	}
	if marker.Newest.Size > there.Newest.Size {
		there.Newest = marker.Newest
	}
	if there.Newest.Size > 0 {
		there.LossAccepted = marker.Time
	}
	*marker = *there
	return true, errors.Join(there.Write(keys), lock.Release())
}

// take takes the directory, which is empty or has what an interrupted restore left.
func take(data string, m *Manifest) (*identity.Lock, error) {
	entries, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	interrupted, complete := false, false
	for _, e := range entries {
		switch e.Name() {
		case "lock", "lost+found": // of a file system's own
		case stagingDir:
			interrupted = true
		case keysDir:
			complete = true
			fallthrough
		default:
			names = append(names, e.Name())
		}
	}
	if len(names) > 0 && (!interrupted || complete) {
		taken := &TakenError{Data: data, Size: m.Size}
		if there, ok := newestThere(data, m); ok && there.Size > m.Size {
			taken.Newer = there.Size
		}
		return nil, taken
	}
	lock, err := identity.LockDir(data)
	if err != nil {
		return nil, err
	}
	// Without keys/ it never was a data directory.
	for _, name := range append([]string{stagingDir}, names...) {
		if name == stagingDir || name == auditDir || name == "stream" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(data, name)))
		}
	}
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return lock, nil
}

func source(o RestoreOptions, m *Manifest, r *audit.Reader) (archive.Source, error) {
	checkpoint, err := m.checkpoint()
	return archive.Source{Archive: r, Checkpoint: checkpoint, Progress: o.Progress}, err
}

func embeddedStream(ctx context.Context, o RestoreOptions, m *Manifest, r *audit.Reader, dir string) error {
	from, err := source(o, m, r)
	if err != nil {
		return err
	}
	to, err := offline.Open(dir, o.Logger)
	if err != nil {
		return err
	}
	defer to.Close()
	_, err = archive.Restore(ctx, from, to.Store)
	return err
}

// externalStream holds the stream of a NATS server against the backup, or makes it, and
// gives its last sequence.
func externalStream(ctx context.Context, o RestoreOptions, m *Manifest, r *audit.Reader) (uint64, error) {
	from, err := source(o, m, r)
	if err != nil {
		return 0, err
	}
	to, err := offline.Dial(o.NATSURL, o.NATSCreds, o.Replicas, o.Logger)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	st, err := to.State(ctx)
	if errors.Is(err, eventstore.ErrNoStream) || err == nil && st.Last == 0 {
		_, err = archive.Restore(ctx, from, to.Store)
		return m.Size, err
	}
	if err != nil {
		return 0, err
	}
	c, err := archive.Compare(ctx, to.Store, r, o.Progress)
	if err != nil {
		return 0, err
	}
	if !c.Agree() {
		return 0, &StreamError{c}
	}
	return c.Stream, to.Check(ctx)
}

// StreamError says that the stream on the NATS server is not the one that was backed up.
type StreamError struct{ Comparison *archive.Comparison }

func (e *StreamError) Error() string {
	c := e.Comparison
	return fmt.Sprintf("the stream on the NATS server of --nats-url does not agree with the backup: of the %d events of the backup it has lost %d, changed %d, and ends %d before; %d behind them are lost or no events (nothing was changed); to make it anew from the backup, keep a copy of it, delete it, and restore again",
		c.Archive, c.Lost-c.Gone, c.Changed, c.EndsEarly(), c.Gone+c.Foreign)
}

func copyLog(ctx context.Context, o RestoreOptions, m *Manifest, r *audit.Reader, dir string) error {
	checkpoint, err := m.checkpoint()
	if err != nil {
		return err
	}
	c, err := beginCopy(dir, none().State)
	if err != nil {
		return err
	}
	if err := c.copyLeaves(ctx, r, checkpoint, "restoring the log", o.Progress); err != nil {
		return err
	}
	return c.seal(m.Checkpoint)
}

// makeKeys puts the node's keys together: its identity, the evidence of the last event,
// and the marker.
func makeKeys(o RestoreOptions, m *Manifest, r *audit.Reader, marker *identity.Restored, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"identity.json", "log.key"} {
		content, err := plain.ReadFile(filepath.Join(o.Dir, keysDir, name))
		if err != nil {
			return err
		}
		if err := replace(dir, name, content); err != nil {
			return err
		}
	}
	if err := marker.Write(dir); err != nil {
		return err
	}
	last, err := r.Event(m.Size)
	if err != nil {
		return err
	}
	id, err := identity.Open(dir)
	if err != nil {
		return err
	}
	return id.KeepEvidence(identity.Evidence{Seq: m.Size, Hash: sha256.Sum256(last.Raw)})
}

// place moves the parts to where they belong, keys/ last: without them no node starts.
func place(o RestoreOptions, staging string) error {
	for _, part := range []string{"stream", auditDir, keysDir} {
		err := os.Rename(filepath.Join(staging, part), filepath.Join(o.Data, part))
		if errors.Is(err, fs.ErrNotExist) && part == "stream" && o.NATSURL != "" {
			continue
		}
		if err == nil {
			err = durable.Dir(o.Data)
		}
		if err == nil {
			err = o.step("placed " + part)
		}
		if err != nil {
			return err
		}
	}
	return os.RemoveAll(staging)
}
