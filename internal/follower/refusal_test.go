package follower

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// logged gives a follower whose audit log has events that its read model has not.
func logged(t *testing.T) *standing {
	t.Helper()
	f := newStanding(t)
	for range 3 {
		r, err := f.store.Get(t.Context(), f.append())
		if err != nil {
			t.Fatal(err)
		}
		if err := f.audit.Append([]events.Recorded{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.audit.WaitFor(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	return f
}

// run gives what the follower says to those who ask once it has ended by itself, and why it
// has.
func (f *standing) run() (says string, err error) {
	f.t.Helper()
	err = f.Run(f.t.Context())
	if err == nil {
		f.t.Fatal("it does not end")
	}
	return f.Fresh().Error(), err
}

func mustBeRefusal(t *testing.T, err error, want bool) {
	t.Helper()
	if _, ok := errors.AsType[*Refusal](err); ok != want {
		t.Errorf("a refusal: %v, want %v: %v", ok, want, err)
	}
}

// mustSay has text name all words, and nothing of the stream's server, which has no part
// in it.
func mustSay(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("it does not say %q: %s", w, text)
		}
	}
	if strings.Contains(text, "NATS") || strings.Contains(text, "stream was altered") {
		t.Errorf("it blames the stream: %s", text)
	}
}

// A disk that is full says nothing against the stream.
func TestAFullDiskWhileTheReadModelIsBuiltIsNoRefusal(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EFBIG, syscall.EIO} {
		f := logged(t)
		var full atomic.Bool
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return cause
			}
			return nil
		})
		told := make(chan error, 1)
		runner, err := projections.OpenOn(errorfs.Wrap(vfs.NewMem(), inject), "store", slog.New(slog.DiscardHandler), func(err error) { told <- err }, tokens.New(tokens.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		f.runner = runner
		full.Store(true)
		_, err = f.run()
		mustBeRefusal(t, err, false)
		// The same words as from a node that runs, which its store stops.
		if fatal := <-told; err.Error() != fatal.Error() || !errors.Is(err, cause) {
			t.Errorf("it says %q, and the store %q", err, fatal)
		}
		_ = runner.Close()
	}
}

// failingFS fails to open a file of the log.
type failingFS struct {
	audit.FS
	name string
	err  error
}

func (f failingFS) Open(name string, write bool) (audit.File, error) {
	if name == f.name && !write {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	return f.FS.Open(name, write)
}

func TestALogThatCannotBeReadIsNoRefusalUnlessItIsDamaged(t *testing.T) {
	segment := layout.SegmentFile(0)
	for name, c := range map[string]struct {
		err     error
		refusal bool
	}{
		"permission": {fs.ErrPermission, false},
		"the disk":   {syscall.EIO, false},
		"missing":    {fs.ErrNotExist, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := logged(t)
			r, err := audit.OpenReaderOn(failingFS{audit.Dir(f.logDir), segment, c.err})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f.audit = &audit.Log{Reader: r}
			says, err := f.run()
			mustBeRefusal(t, err, c.refusal)
			mustSay(t, err.Error(), segment, "audit")
			mustSay(t, says, segment, "audit")
		})
	}
	t.Run("no plain file", func(t *testing.T) {
		f := logged(t)
		path := filepath.Join(f.logDir, segment)
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		_, err := f.run()
		mustBeRefusal(t, err, true)
		mustSay(t, err.Error(), segment, "no plain file", "audit verify")
	})
}

// The stream and the log's entry are whole and the same: then it is the hash between them
// that is not.
func TestADamagedHashIsNotBlamedOnTheStream(t *testing.T) {
	f := logged(t)
	path := filepath.Join(f.logDir, layout.TileFile(0))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[layout.HashSize+5] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = f.CompareFor(t.Context(), time.Second)
	mustBeRefusal(t, err, true)
	mustSay(t, err.Error(), layout.TileFile(0), "sequence 2", "audit verify", "backup")
}
