package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		recordUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// stream holds events in memory and counts them by the projection's rule: what is
// at or below the node's mark is a repeat.
type stream struct {
	mu     sync.Mutex
	mark   uint64
	counts map[string]int
	stored int // events, repeats included
	given  map[ulid.ULID]bool
	// before, if set, decides about an append that is about to happen: whether
	// the events are stored, and what the caller is told.
	before func(evs []events.Event) (store bool, err error)
}

func newStream() *stream { return &stream{counts: map[string]int{}, given: map[ulid.ULID]bool{}} }

func (s *stream) append(ctx context.Context, again bool, evs ...events.Event) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	if again != s.given[evs[0].ID] {
		panic(fmt.Sprintf("again is %t, and it is the other way", again))
	}
	s.given[evs[0].ID] = true
	before := s.before
	s.mu.Unlock()
	store, answer := true, error(nil)
	if before != nil {
		store, answer = before(evs)
	}
	if !store {
		return 0, answer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(evs) > maxBatch {
		return 0, fmt.Errorf("%d events are too many for an atomic batch", len(evs))
	}
	for _, e := range evs {
		if _, err := events.Encode(e); err != nil {
			return 0, err
		}
		s.stored++
		use := useOf(e)
		if use.JournalPos <= s.mark {
			continue
		}
		s.mark = use.JournalPos
		s.counts[keyOf(use.TokenID, use.IP)] += int(use.Count)
	}
	return uint64(s.stored), answer
}

func (s *stream) counted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

func (s *stream) highWater() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark
}

func useOf(e events.Event) events.Use {
	switch d := e.Data.(type) {
	case *events.TokenUsed:
		return d.Use
	case *events.TokenRejected:
		return d.Use
	}
	panic(fmt.Sprintf("an event of type %s", e.Data.Type()))
}

// testUse is one of a few uses; those with the same n coalesce.
func testUse(n int) commands.Use {
	return commands.Use{
		At: time.UnixMilli(1_772_446_440_123), Tenant: "acme", TokenID: ulid.ULID{15: byte(1 + n%3)},
		IP: fmt.Sprintf("192.0.2.%d", n), Reason: []string{"", "revoked"}[n%2],
	}
}

func keyOf(id ulid.ULID, ip string) string { return id.String() + " " + ip }

func keyOfUse(u commands.Use) string { return keyOf(u.TokenID, u.IP) }

// disk makes files that can fail. After it is dead, nothing reaches it, as after
// the end of the process.
type disk struct {
	mu          sync.Mutex
	dead        bool
	fail        error // writes fail with it after short bytes
	short       int
	keepTail    bool // truncation fails as well
	syncFails   error
	synced      map[string]int64 // size of each file when it was synced last
	writtenFull bool             // the last failed write left all of its bytes for good
}

type diskFile struct {
	osFile
	disk *disk
	size int64
}

func newDisk() *disk { return &disk{synced: map[string]int64{}} }

var errDead = errors.New("the process is dead")

func (d *disk) create(path string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, errDead
	}
	f, err := createFile(path)
	if err != nil {
		return nil, err
	}
	return &diskFile{osFile: f.(osFile), disk: d}, nil
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return 0, errDead
	}
	if d.fail != nil {
		n, _ := f.File.WriteAt(p[:min(len(p), d.short)], off)
		d.writtenFull = n == len(p) && d.keepTail
		return n, d.fail
	}
	n, err := f.File.WriteAt(p, off)
	f.size = off + int64(n)
	return n, err
}

func (f *diskFile) Truncate(size int64) error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead || d.keepTail {
		return errDead
	}
	return f.File.Truncate(size)
}

// Datasync does not wait for the real disk, which the tests never switch off.
func (f *diskFile) Datasync() error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	if d.syncFails != nil {
		return d.syncFails
	}
	d.synced[f.Name()] = f.size
	return nil
}

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

var errFull = syscall.ENOSPC

type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func testConfig(t reporter, dir string, s *stream) Config {
	var n uint64
	return Config{
		Dir: filepath.Join(dir, "journal"), Node: "n1", Source: "/tokenledger/n1",
		Window: time.Millisecond, Append: s.append, HighWater: s.highWater(),
		NewID: func(at time.Time) ulid.ULID {
			n++
			id := ulid.ULID{14: byte(n >> 8), 15: byte(n)}
			_ = id.SetTime(ulid.Timestamp(at))
			return id
		},
		Logger:  slog.New(slog.DiscardHandler),
		OnFatal: func(err error) { t.Errorf("the recorder failed: %v", err) },
	}
}

// openStill opens a recorder without its loop, so that a test can take its steps
// one at a time: as one that is closing, it waits for nothing.
func openStill(t reporter, cfg Config) *Recorder {
	t.Helper()
	r, err := open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	close(r.closing)
	return r
}

// publishOne publishes the oldest window; it reports false if there was none, or
// if it could not finish.
func publishOne(ctx context.Context, r *Recorder) bool {
	w, err := r.nextWindow(ctx)
	return err == nil && w != nil && r.publish(ctx, w) == nil
}

// drain opens the journal once more, and publishes all that it has.
func drain(t reporter, cfg Config, s *stream) {
	t.Helper()
	cfg.HighWater, cfg.create = s.highWater(), nil
	r := openStill(t, cfg)
	for publishOne(context.Background(), r) {
	}
	if uses, keys := r.Pending(); uses != 0 || keys != 0 {
		t.Errorf("after all was published, %d uses and %d keys are pending", uses, keys)
	}
	if err := r.journal.close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func files(t reporter, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// scratch makes a directory for one run of a property.
func scratch(t *testing.T) func() string {
	root, n := t.TempDir(), 0
	return func() string {
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
}
