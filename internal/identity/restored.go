package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/internal/plain"
)

// Restored is the content of keys/restored.json: the data directory was restored from a
// backup. A backup ends somewhere, and the ledger may have gone on: tokens that were
// revoked after it are good again. What is known of that is kept here, so that the node
// does not forget it between its starts.
type Restored struct {
	// Backup is the audit log that was restored.
	Backup Mark `json:"backup"`
	// AsOf is when the last event of the backup was received.
	AsOf time.Time `json:"as_of"`
	// Time is when it was restored.
	Time time.Time `json:"time"`
	// Newest is the newest checkpoint by this log that was known then, if it is newer
	// than the backup.
	Newest Mark `json:"newest,omitzero"`
	// LossAccepted is when the operator accepted that the events between the two are
	// gone; zero if he did not.
	LossAccepted time.Time `json:"loss_accepted,omitzero"`
}

// Mark is a size of the audit log and the root it had then.
type Mark struct {
	Size uint64    `json:"size"`
	Root tlog.Hash `json:"root"`
}

// RestoredFile is the marker's name in keys/. Its operator deletes it when the tokens
// that were revoked after the backup have been revoked anew.
const RestoredFile = "restored.json"

// warnFor is how long after a restore each start warns of it.
const warnFor = 30 * 24 * time.Hour

// ReadRestored reads the marker in dir, which is keys/ of a data directory. Where there
// is none it gives nil.
func ReadRestored(dir string) (*Restored, error) {
	path := filepath.Join(dir, RestoredFile)
	raw, err := plain.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var r Restored
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err == nil && r.Backup.Size == 0 {
		err = errors.New("it names no backup")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: it says from which backup this directory was restored, and keeps the node from serving an older state silently; restore the backup again", path, err)
	}
	return &r, nil
}

// Write keeps the marker in dir.
func (r *Restored) Write(dir string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(dir, RestoredFile, append(raw, '\n'))
}

// missing is how many events are known to have followed the backup; 0 if none are, or
// if their loss was accepted.
func (r *Restored) missing() uint64 {
	if r == nil || r.Newest.Size <= r.Backup.Size || !r.LossAccepted.IsZero() {
		return 0
	}
	return r.Newest.Size - r.Backup.Size
}

// RestoredError says why a restored node does not serve. There is no way on but the
// operator's.
type RestoredError struct {
	// What happened, and how it was noticed.
	What string
	// Hint says what to do.
	Hint string
}

func (e *RestoredError) Error() string { return e.What + "; " + e.Hint }

// RestoredLog is what the checks need of an audit log.
type RestoredLog interface {
	Size() uint64
	TreeAt(size uint64) (tlog.Tree, error)
}

// CheckRestored looks, before a node follows its stream, whether it can come past the
// newest checkpoint that was known at its restore: by the log that it has, or by a
// stream that ends at streamLast. A marker of nil passes. Its refusal is a
// [*RestoredError]. When the stream has been followed, [CheckReplayed] has to pass, too.
func CheckRestored(marker *Restored, log RestoredLog, streamLast uint64) error {
	if marker == nil {
		return nil
	}
	if err := marker.same(log, marker.Backup, "that was restored"); err != nil {
		return err
	}
	if marker.missing() == 0 {
		return nil
	}
	if have := max(log.Size(), streamLast); have < marker.Newest.Size {
		return marker.refusal(have)
	}
	return marker.same(log, marker.Newest, "that was known at the restore")
}

// CheckReplayed looks, before a restored node serves, whether its log has come past the
// newest checkpoint that was known at its restore, and has the root that was signed
// then. Its refusal is a [*RestoredError].
func CheckReplayed(marker *Restored, log RestoredLog) error {
	return CheckRestored(marker, log, 0)
}

func (r *Restored) refusal(have uint64) error {
	return &RestoredError{
		What: fmt.Sprintf("this directory was restored from a backup of %d events, as of %s; a checkpoint of %d events by this log is known, and %d are here: the %d events between, revocations among them, are missing, and tokens that they revoked would be good again",
			r.Backup.Size, r.AsOf.UTC().Format(time.RFC3339), r.Newest.Size, have, r.Newest.Size-have),
		Hint: "restore a newer backup into a new directory, or give the node the stream that has these events; or accept the loss: tokenledger restore BACKUP --data DATA --accept-loss, and then revoke anew what was revoked since",
	}
}

// same holds the log's root at a size against a mark. A log that ends before passes.
func (r *Restored) same(log RestoredLog, m Mark, which string) error {
	if m.Size > log.Size() {
		return nil
	}
	tree, err := log.TreeAt(m.Size)
	if err != nil {
		return fmt.Errorf("hold the audit log against the checkpoint %s: %w", which, err)
	}
	if tree.Hash == m.Root {
		return nil
	}
	return &RestoredError{
		What: fmt.Sprintf("the audit log of this restored directory has at %d events the root %s, and the checkpoint %s has %s: it is another history", m.Size, tree.Hash, which, m.Root),
		Hint: "find out which of the two is the ledger's: the stream or the log belongs to something else, or another node runs with this node's key",
	}
}

// Warning is what each start of a restored node says to its operator; "" once a month
// has passed, or if the node has come past the newest checkpoint that was known.
func (r *Restored) Warning(now time.Time, log RestoredLog) string {
	if r == nil || now.Sub(r.Time) > warnFor {
		return ""
	}
	if r.missing() > 0 && log.Size() >= r.Newest.Size {
		return ""
	}
	text := fmt.Sprintf("this directory was restored at %s from a backup as of %s: tokens that were revoked after that are good again until they are revoked anew",
		r.Time.UTC().Format(time.RFC3339), r.AsOf.UTC().Format(time.RFC3339))
	if !r.LossAccepted.IsZero() && r.Newest.Size > r.Backup.Size {
		text += fmt.Sprintf("; the loss of at least %d events was accepted, and checkpoints of more than %d events that this log signed before do not agree with it any more", r.Newest.Size-r.Backup.Size, r.Backup.Size)
	}
	return text + "; when that is done, delete keys/" + RestoredFile + " to end this warning"
}
