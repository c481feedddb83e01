package usage

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
)

// writtenJournal makes a journal of a few segments, with closed windows that were
// not published, and gives what it holds and what its last frame holds.
func writtenJournal(t *testing.T, cfg Config) (all, lastFrame map[string]int) {
	t.Helper()
	r := openStill(t, cfg)
	all, lastFrame = map[string]int{}, map[string]int{}
	for i := range 24 {
		if i%9 == 8 {
			if _, err := r.closeWindow(); err != nil {
				t.Fatal(err)
			}
		}
		u := testUse(i % 5)
		if err := r.Record(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		all[keyOfUse(u)]++
		lastFrame = map[string]int{keyOfUse(u): 1}
	}
	if err := r.journal.close(); err != nil {
		t.Fatal(err)
	}
	return all, lastFrame
}

func less(a, b map[string]int) map[string]int {
	rest := map[string]int{}
	for k, n := range a {
		if n -= b[k]; n > 0 {
			rest[k] = n
		}
	}
	return rest
}

// refused reports whether err is one of those by which a journal is refused.
func refused(err error) bool {
	_, corrupt := errors.AsType[*CorruptError](err)
	_, node := errors.AsType[*NodeError](err)
	_, version := errors.AsType[*VersionError](err)
	_, behind := errors.AsType[*BehindError](err)
	return corrupt || node || version || behind
}

func TestAFlippedByteAnywhereIsRefusedUnlessItIsInTheLastWrite(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "journal")
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	cfg.Dir, cfg.SegmentSize = whole, 500
	all, lastFrame := writtenJournal(t, cfg)
	before := files(t, whole)
	if len(before) < 3 {
		t.Fatalf("the journal has %d segments; the test wants more", len(before))
	}
	next := scratch(t)
	for name, content := range before {
		for i := range len(content) {
			dir := filepath.Join(next(), "journal")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			damaged := map[string]string{}
			for n, c := range before {
				if n == name {
					c = c[:i] + string(c[i]^0x40) + c[i+1:]
				}
				damaged[n] = c
				if err := os.WriteFile(filepath.Join(dir, n), []byte(c), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := newStream()
			cfg := testConfig(t, "", s)
			cfg.Dir = dir
			r, err := open(cfg)
			if err != nil {
				if !refused(err) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("byte %d of %s: the error is of no known type or does not name the file: %v", i, name, err)
				}
				if diff := cmp.Diff(damaged, files(t, dir)); diff != "" {
					t.Fatalf("byte %d of %s: the journal was refused and changed all the same:\n%s", i, name, diff)
				}
				continue
			}
			if err := r.journal.close(); err != nil {
				t.Fatal(err)
			}
			drain(t, cfg, s)
			if diff := cmp.Diff(less(all, lastFrame), s.counted()); diff != "" {
				t.Fatalf("byte %d of %s: entries were dropped without an error (-want +counted):\n%s", i, name, diff)
			}
		}
	}
}

func TestATornTailOfAnyLengthIsCutOffAndTheRestIsCounted(t *testing.T) {
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	all, lastFrame := writtenJournal(t, cfg)
	paths, err := segmentPaths(cfg.Dir)
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	content, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	// The last frame is the last that nextFrame finds.
	h, size, _, _ := parseHeader(content)
	last := 0
	for at := size; at < len(content); {
		_, _, n, ok := nextFrame(content, at, h.seed())
		if !ok {
			t.Fatal("the journal is not whole")
		}
		last, at = at, at+n
	}
	for end := last; end < len(content); end++ {
		for _, p := range mustPaths(t, cfg.Dir) {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(paths[0], content[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		s := newStream()
		var log strings.Builder
		cfg.Append, cfg.Logger = s.append, textLogger(&log)
		if err := openStill(t, cfg).journal.close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(paths[0]); err != nil || info.Size() != int64(last) {
			t.Fatalf("cut at %d: the file has %d bytes, not %d (%v)", end, info.Size(), last, err)
		}
		drain(t, cfg, s)
		if diff := cmp.Diff(less(all, lastFrame), s.counted()); diff != "" {
			t.Fatalf("cut at %d (-want +counted):\n%s", end, diff)
		}
		if torn := end - last; torn > 0 && !strings.Contains(log.String(), fmt.Sprintf("bytes=%d ", torn)) {
			t.Fatalf("the log does not say that %d bytes were cut off:\n%s", torn, log.String())
		}
	}
}

func TestDamageThatAPowerCutExplainsIsPutAside(t *testing.T) {
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	cfg.boot = "the boot before"
	r := openStill(t, cfg)
	record := func(n int) {
		t.Helper()
		if err := r.Record(t.Context(), testUse(n)); err != nil {
			t.Fatal(err)
		}
	}
	record(1)
	if err := r.sync(); err != nil {
		t.Fatal(err)
	}
	record(2) // the first frame that knows of the sync
	hole := r.journal.segments[0].size
	record(3)
	end := r.journal.segments[0].size
	record(4)
	if err := r.journal.close(); err != nil {
		t.Fatal(err)
	}
	path := mustPaths(t, cfg.Dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tail := string(content[end:])
	clear(content[hole:end])
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := open(cfg); !refused(err) {
		t.Fatalf("without a reboot, the hole gave %v", err)
	}
	cfg.boot = "this boot"
	var log strings.Builder
	cfg.Logger = textLogger(&log)
	drain(t, cfg, s)
	want := map[string]int{keyOfUse(testUse(1)): 1, keyOfUse(testUse(2)): 1}
	if diff := cmp.Diff(want, s.counted()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), "lost_at_most=2") {
		t.Errorf("the log does not say what was lost:\n%s", log.String())
	}
	aside, err := os.ReadFile(path + lostSuffix)
	if err != nil || !strings.HasSuffix(string(aside), tail) {
		t.Errorf("what followed the hole was not kept: %v", err)
	}
}

func TestNotEvenARebootExplainsDamageInWhatWasSynced(t *testing.T) {
	cfg := testConfig(t, t.TempDir(), newStream())
	cfg.boot = "the boot before"
	r := openStill(t, cfg)
	for i := range 2 {
		if err := r.Record(t.Context(), testUse(i)); err != nil {
			t.Fatal(err)
		}
		if err := r.sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.journal.close(); err != nil {
		t.Fatal(err)
	}
	path := mustPaths(t, cfg.Dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, size, _, _ := parseHeader(content)
	content[size+frameHeader] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.boot = "this boot"
	_, err = open(cfg)
	ce, ok := errors.AsType[*CorruptError](err)
	if !ok || ce.Path != path || ce.Offset != int64(size) || ce.Position != 1 {
		t.Errorf("the damage gave %v", err)
	}
}

func TestAMissingSegmentIsRefused(t *testing.T) {
	for missing := range 3 {
		cfg := testConfig(t, t.TempDir(), newStream())
		cfg.SegmentSize = 300
		writtenJournal(t, cfg)
		paths := mustPaths(t, cfg.Dir)
		if len(paths) < 4 {
			t.Fatalf("the journal has %d segments; the test wants more", len(paths))
		}
		if err := os.Remove(paths[missing]); err != nil {
			t.Fatal(err)
		}
		if _, err := open(cfg); !refused(err) {
			t.Errorf("without segment %d: %v", missing, err)
		}
	}
}

func TestAJournalOfAnotherNodeOrVersionIsRefused(t *testing.T) {
	cfg := testConfig(t, t.TempDir(), newStream())
	writtenJournal(t, cfg)
	other := cfg
	other.Node = "n2"
	_, err := open(other)
	if ne, ok := errors.AsType[*NodeError](err); !ok || ne.Node != "n1" || ne.Want != "n2" {
		t.Errorf("another node's journal gave %v", err)
	}

	path := mustPaths(t, cfg.Dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(headerMagic)]++
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(cfg)
	if ve, ok := errors.AsType[*VersionError](err); !ok || ve.Version != formatVersion+1 {
		t.Errorf("a newer version's journal gave %v", err)
	}
}

func TestADeletedJournalGoesOnAboveTheStreamsPosition(t *testing.T) {
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	all, _ := writtenJournal(t, cfg)
	drain(t, cfg, s)
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	cfg.HighWater = s.highWater()
	again, _ := writtenJournal(t, cfg)
	drain(t, cfg, s)
	for k, n := range again {
		all[k] += n
	}
	if diff := cmp.Diff(all, s.counted()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestAStreamThatLostWhatItAcknowledgedIsRefused(t *testing.T) {
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	cfg.SegmentSize = 500
	writtenJournal(t, cfg)
	drain(t, cfg, s)
	cfg.HighWater = 3
	_, err := open(cfg)
	if be, ok := errors.AsType[*BehindError](err); !ok || be.HighWater != 3 {
		t.Errorf("a stream that is behind gave %v", err)
	}
}

func TestAnOlderCopyOfTheJournalIsNotCountedTwice(t *testing.T) {
	tests := []struct {
		name      string
		published int // batches of one event, of the window 1 2 1 | 1
		want      map[string]int
	}{
		{"nothing was published", 0, map[string]int{keyOfUse(testUse(1)): 2, keyOfUse(testUse(2)): 2}},
		{"the event before the copy's end was published", 1, map[string]int{keyOfUse(testUse(1)): 2, keyOfUse(testUse(2)): 2}},
		{"all was published", 2, map[string]int{keyOfUse(testUse(1)): 3, keyOfUse(testUse(2)): 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStream()
			cfg := testConfig(t, t.TempDir(), s)
			cfg.batch = 1
			r := openStill(t, cfg)
			record := func(n int) {
				t.Helper()
				if err := r.Record(t.Context(), testUse(n)); err != nil {
					t.Fatal(err)
				}
			}
			record(1)
			record(2)
			record(1)
			copied := files(t, cfg.Dir)
			record(1)
			ctx, cancel := context.WithCancel(t.Context())
			left := tt.published
			s.before = func([]events.Event) (bool, error) {
				if left--; left >= 0 {
					return true, nil
				}
				cancel()
				return false, ctx.Err()
			}
			publishOne(ctx, r)
			s.before = nil
			cancel()
			if err := r.journal.close(); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for name, c := range copied {
				if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte(c), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cfg.HighWater = s.highWater()
			r = openStill(t, cfg)
			record(2) // would be counted to what the stream has, if that were in the window
			if err := r.journal.close(); err != nil {
				t.Fatal(err)
			}
			drain(t, cfg, s)
			if diff := cmp.Diff(tt.want, s.counted()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

func mustPaths(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := segmentPaths(dir)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func textLogger(w *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func FuzzRecover(f *testing.F) {
	dir := f.TempDir()
	cfg := testConfig(f, dir, newStream())
	r := openStill(f, cfg)
	for i := range 6 {
		if err := r.Record(context.Background(), testUse(i%3)); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := r.closeWindow(); err != nil {
		f.Fatal(err)
	}
	path := r.journal.segments[0].path
	_ = r.journal.close()
	for _, content := range files(f, cfg.Dir) {
		f.Add([]byte(content))
		f.Add([]byte(content[:len(content)/2]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = os.Remove(path) // some file systems sync a file that is emptied and written anew
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := cfg.setDefaults(); err != nil {
			t.Fatal(err)
		}
		// Only the reading: what follows waits for the disk.
		r := newRecovery(&cfg, maphash.MakeSeed())
		if err := r.readSegments(); err != nil && !refused(err) {
			t.Fatalf("an error of no known type: %v", err)
		}
		for _, w := range r.closed {
			for e := range w.uses.Events(0, "n1", "/tokenledger/n1", cfg.NewID) {
				if useOf(e).JournalPos >= w.marker {
					t.Fatalf("an event at %d stands before the marker at %d", useOf(e).JournalPos, w.marker)
				}
			}
		}
	})
}
