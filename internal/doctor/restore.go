package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/durable"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/offline"
)

// A restore's directories, beside stream/.
const (
	// buildingStore is a new store that is being filled. It may be deleted at any time.
	buildingStore = "stream.restoring"
	// completeStore is a new store that is complete, read back and synced.
	completeStore = "stream.restored"
	// damagedPrefix begins the names of old stores.
	damagedPrefix = "stream.damaged-"
)

// restore makes the stream anew, if it needs to be. A nil Restored says that nothing was
// to be done.
func (x *examination) restore(ctx context.Context) (*Restored, error) {
	c := x.report.Stream
	if c == nil || x.log == nil || !x.whole() {
		return nil, &NotRestoredError{"there is no audit log that is whole, and this node's, to restore it from", "restore a backup into a new directory: tokenledger restore BACKUP --data NEW"}
	}
	if x.key == nil {
		return nil, &NotRestoredError{"without the node's keys nobody can tell whether the log is its own", putBack}
	}
	if c.Agree() && !x.unfit() {
		return nil, nil
	}
	following := archive.Following{Last: x.log.Size()}
	var old *eventstore.Store
	if x.stream != nil && c.Stream > 0 {
		old = x.stream.Store
		var err error
		if following, err = archive.Follows(ctx, old, x.log); err != nil {
			return nil, err
		}
	}
	switch {
	case following.Last == 0:
		return nil, &NotRestoredError{"neither the log nor the stream has an event", "start the node on a new data directory"}
	case following.Last < x.applied:
		return nil, &NotRestoredError{
			fmt.Sprintf("events up to sequence %d were applied on this node, and the new stream would end at %d: the node would refuse it", x.applied, following.Last),
			"see whether another node or a newer backup has the rest. To give it up, take a backup of this directory's log (tokenledger backup) and restore it into a new directory (tokenledger restore), which keeps in mind what is missing",
		}
	case following.Left > 0 && !x.cfg.AcceptLoss:
		return nil, &NotRestoredError{
			fmt.Sprintf("%s of the stream behind sequence %d would be left behind: %s", events(following.Left), following.Last, following.Why),
			"look at what that is; --accept-loss restores without (the old store is kept, and no event that was applied here is among them)",
		}
	}
	var done archive.Outcome
	var err error
	restored := &Restored{Left: following.Left, LeftWhy: following.Why}
	source := archive.Source{Archive: x.log, Checkpoint: x.checkpoint, Old: old, Progress: x.cfg.Progress}
	if x.cfg.NATSURL != "" {
		if c.Stream > 0 {
			return nil, &NotRestoredError{"the stream on the NATS server of --nats-url is not empty", "keep a copy of it (nats stream backup LEDGER DIR), delete it, and run this again"}
		}
		source.Old = nil
		done, err = archive.Restore(ctx, source, x.stream.Store)
	} else {
		done, restored.Damaged, err = x.rebuild(ctx, source)
	}
	restored.Archived, restored.Followed = done.Archived, done.Followed
	return restored, err
}

// unfit reports whether the stream's configuration was found wrong, as that of a restore
// that stopped is.
func (x *examination) unfit() bool {
	for _, f := range x.report.Findings {
		if f.Code == "stream_unfit" {
			return true
		}
	}
	return false
}

// rebuild makes a new store and puts it into the place of the old.
func (x *examination) rebuild(ctx context.Context, source archive.Source) (done archive.Outcome, damaged string, err error) {
	building, complete := x.path(buildingStore), x.path(completeStore)
	// One that is complete is of an earlier restore, and the stream is there: it went on
	// since, or that restore never came to its end. This one is made from both.
	if err := errors.Join(os.RemoveAll(building), os.RemoveAll(complete)); err != nil {
		return done, "", fmt.Errorf("remove what an interrupted restore has left: %w", err)
	}
	to, err := offline.Open(building, x.cfg.Logger)
	if err != nil {
		return done, "", err
	}
	done, err = archive.Restore(ctx, source, to.Store)
	to.Close()
	if err == nil {
		err = x.cfg.step("built")
	}
	if err != nil {
		return done, "", errors.Join(err, x.dropped(building))
	}
	// From here on the old store is only moved.
	if err := x.closeStream(); err != nil {
		return done, "", err
	}
	if err := offline.SyncTree(building); err != nil {
		return done, "", err
	}
	if err := os.Rename(building, complete); err != nil {
		return done, "", err
	}
	if err := durable.Dir(x.cfg.Data); err != nil {
		return done, "", err
	}
	if err := x.cfg.step("complete"); err != nil {
		return done, "", err
	}
	damaged, err = swap(x.cfg)
	return done, damaged, err
}

// dropped removes a store that did not become complete.
func (x *examination) dropped(building string) error {
	if errors.Is(x.cfg.step("drop"), errCrash) {
		return nil
	}
	return os.RemoveAll(building)
}

// errCrash, in tests, is where a process was killed.
var errCrash = errors.New("the process was killed here")

// swap moves the old store aside and the complete one into its place.
func swap(cfg Config) (damaged string, err error) {
	stream, complete := filepath.Join(cfg.Data, "stream"), filepath.Join(cfg.Data, completeStore)
	if _, err := os.Lstat(stream); err == nil {
		if damaged, err = aside(cfg.Data); err != nil {
			return "", err
		}
		if err := os.Rename(stream, filepath.Join(cfg.Data, damaged)); err != nil {
			return "", fmt.Errorf("move the damaged store aside: %w", err)
		}
		if err := durable.Dir(cfg.Data); err != nil {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := cfg.step("moved"); err != nil {
		return damaged, err
	}
	if err := os.Rename(complete, stream); err != nil {
		return damaged, fmt.Errorf("put the new store into its place: %w; it is complete: move %s to %s by hand", err, complete, stream)
	}
	return damaged, durable.Dir(cfg.Data)
}

// aside gives a free name for the old store.
func aside(data string) (string, error) {
	name := damagedPrefix + stamp(time.Now())
	for i := 2; ; i++ {
		_, err := os.Lstat(filepath.Join(data, name))
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s%s-%d", damagedPrefix, stamp(time.Now()), i)
	}
}

// finishInterrupted puts a complete store into the place of a stream that is missing: a
// restore was cut short between its last two steps. What the store lacks shows in the
// examination that follows.
func finishInterrupted(cfg Config) error {
	if _, err := os.Lstat(filepath.Join(cfg.Data, completeStore)); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	// A node that was started meanwhile has refused, and left a store without a stream.
	streams, err := filepath.Glob(filepath.Join(cfg.Data, "stream", "jetstream", "*", "streams", "*"))
	if len(streams) > 0 || err != nil {
		return err
	}
	// A kept store would be put back over it; it is of a start that was cut short.
	if _, err := os.Lstat(filepath.Join(cfg.Data, "stream.kept")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = swap(cfg)
	return err
}
