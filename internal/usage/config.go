package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// Config says how a [Recorder] works. Fields without "zero means" are required.
type Config struct {
	// Dir is the journal's directory; it is made (0700) if it is missing. Only
	// one recorder may have it open: the caller holds the lock on the data
	// directory.
	Dir string
	// Node is the node's name. A journal of another node is refused, because its
	// positions say nothing of this node's.
	Node string
	// Source is the source of the events, "/tokenledger/<node>".
	Source string
	// Window is how long uses are coalesced; zero means 1 s.
	Window time.Duration
	// Strict makes Record wait until the events are in the stream.
	Strict bool
	// Append puts events into the stream, all or none, and returns once they are
	// durable. After an error the same events are given to it again, with the
	// same ids, and again is true: they may be there already. It must not keep evs
	// after it has returned.
	Append func(ctx context.Context, again bool, evs ...events.Event) (uint64, error)
	// HighWater is the highest JournalPos of this node that the stream holds.
	// It must be read after catching up with the stream, or uses are lost.
	HighWater uint64
	// NewID makes the ids of events.
	NewID  func(time.Time) ulid.ULID
	Logger *slog.Logger
	// OnFatal is called once, from the recorder's goroutine, when the journal can
	// no longer be trusted (fdatasync failed). It must stop the node, but not by
	// calling Close itself before it returns.
	OnFatal func(error)

	// SegmentSize is the size, in bytes, from which on a new file is begun; zero
	// means 16 MiB. The last file is read again at every start, published or
	// not (BenchmarkOpen).
	SegmentSize int64
	// SoftKeys is the number of keys in the open window from which on publishing
	// takes more than a quarter of the time; zero means 96 Ki.
	SoftKeys int
	// HardKeys is the number of keys at which publishing takes all of the time
	// and Record waits for room; zero means 128 Ki. The memory needed is about
	// twice that many keys at about 130 bytes.
	HardKeys int
	// HardBytes is the memory of the open window at which Record waits for room
	// likewise, whatever its keys; zero means 32 MiB.
	HardBytes int

	create func(path string) (file, error) // nil means createFile
	batch  int                             // zero means maxBatch
	boot   string                          // empty means that of the machine
}

func (c *Config) setDefaults() error {
	switch {
	case c.Dir == "":
		return errors.New("open usage journal: no directory is given")
	case c.Node == "" || c.Source == "":
		return errors.New("open usage journal: no node or no source is given")
	case c.Append == nil || c.NewID == nil || c.Logger == nil || c.OnFatal == nil:
		return errors.New("open usage journal: Append, NewID, Logger and OnFatal are required")
	}
	setDefault(&c.Window, time.Second)
	setDefault(&c.SegmentSize, 16<<20)
	setDefault(&c.SoftKeys, 96<<10)
	setDefault(&c.HardKeys, 128<<10)
	setDefault(&c.HardBytes, 32<<20)
	setDefault(&c.batch, maxBatch)
	if c.HardKeys <= c.SoftKeys {
		return fmt.Errorf("open usage journal: HardKeys (%d) must be above SoftKeys (%d)", c.HardKeys, c.SoftKeys)
	}
	if c.create == nil {
		c.create = createFile
	}
	if c.boot == "" {
		c.boot = bootID()
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// bootID tells one boot of a Linux machine from another; it is empty elsewhere.
// See proc_sys_kernel(5), random/boot_id.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// ErrClosed is given for what comes after [Recorder.Close].
var ErrClosed = errors.New("the usage recorder is closed; the use was not recorded")

// ErrNotPublished is given, in strict durability, for uses that are in the
// journal but not in the stream when the recorder closes. They are published
// after the next start.
var ErrNotPublished = errors.New("the use is in the journal but not yet in the stream; it is published after the next start")

// CorruptError says that the journal cannot be read and that no crash explains
// it. Nothing was changed.
type CorruptError struct {
	Path string
	// Offset is where in the file, in bytes, the first unreadable frame stands.
	Offset int64
	// Position is the position of the first entry that is missing; zero where
	// it is not known.
	Position uint64
	Problem  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("usage journal %s is damaged at byte %d (entry %d): %s. "+
		"No crash explains this, so the disk may be failing or the file was edited. Nothing was changed. "+
		"Uses in the journal that are not yet in the stream are evidence: copy its directory first. "+
		"Then put the file back from a good copy, or move the whole directory aside to start without them; "+
		"uses that are in the stream are not affected", e.Path, e.Offset, e.Position, e.Problem)
}

// NodeError says that the journal was written by another node.
type NodeError struct{ Path, Node, Want string }

func (e *NodeError) Error() string {
	return fmt.Sprintf("usage journal %s belongs to node %q, and this is node %q. Nothing was changed. "+
		"Start the node under its old name until the journal is published, or move the journal's directory aside to start without its uses",
		e.Path, e.Node, e.Want)
}

// BehindError says that the stream lacks uses that it acknowledged and that the
// journal has therefore let go of.
type BehindError struct {
	Path                 string
	Published, HighWater uint64
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("usage journal %s: uses up to position %d were published, but the stream holds them only up to %d. "+
		"The stream was rolled back or replaced, or is not the one that this node wrote to. Nothing was changed. "+
		"Give the node its own stream back; or, if those uses are to be given up, move the journal's directory aside and start again",
		e.Path, e.Published, e.HighWater)
}

// VersionError says that the journal is of a format that this build does not read.
type VersionError struct {
	Path    string
	Version byte
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("usage journal %s has format version %d, and this build reads version %d. Nothing was changed. "+
		"Start the version of tokenledger that wrote it", e.Path, e.Version, formatVersion)
}
