package backup

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
	"github.com/tokenledger/tokenledger/internal/doctor"
	"github.com/tokenledger/tokenledger/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustMake(t *testing.T, d archivetest.Data, dir string) *Made {
	t.Helper()
	m, err := Make(t.Context(), Options{Data: d.Dir, Dir: dir})
	must(t, err)
	return m
}

func mustRestore(t *testing.T, o RestoreOptions) *Done {
	t.Helper()
	done, err := Restore(t.Context(), o)
	must(t, err)
	return done
}

func mustVerify(t *testing.T, dir string, size uint64) {
	t.Helper()
	m, r, err := Verify(t.Context(), dir, nil)
	must(t, err)
	if m.Size != size {
		t.Errorf("the backup has %d events, want %d", m.Size, size)
	}
	must(t, r.Close())
}

// sameLog has the logs in two directories the same, byte for byte, but for their states
// and checkpoints.
func sameLog(t *testing.T, a, b string) {
	t.Helper()
	of := func(dir string) map[string]string {
		files := archivetest.Files(t, dir)
		delete(files, layout.StateFile)
		delete(files, layout.CheckpointFile)
		return files
	}
	if diff := cmp.Diff(of(a), of(b)); diff != "" {
		t.Errorf("the logs differ: %s", diff)
	}
}

func checkpoint(t *testing.T, d archivetest.Data) []byte {
	t.Helper()
	signed, err := os.ReadFile(filepath.Join(d.Audit(), layout.CheckpointFile))
	must(t, err)
	return signed
}

func TestABackupIsRestored(t *testing.T) {
	for _, n := range []int{1, 255, 256, 257, 3000} {
		d := archivetest.New(t, n)
		dir := filepath.Join(t.TempDir(), "deep", "backup")
		before := archivetest.Files(t, d.Dir)
		made := mustMake(t, d, dir)
		if diff := cmp.Diff(before, archivetest.Files(t, d.Dir)); diff != "" {
			t.Errorf("the backup changed the node's data: %s", diff)
		}
		if made.Size != uint64(n) || made.Earlier != 0 || made.AsOf.IsZero() || made.Ledger == "" {
			t.Errorf("made %+v", made)
		}
		sameLog(t, d.Audit(), filepath.Join(dir, "audit"))
		for name, f := range archivetest.Files(t, dir) {
			if !strings.HasPrefix(f, "-rw-------") && !strings.HasPrefix(f, "drwx------") {
				t.Errorf("%s has the mode %s", name, f)
			}
		}
		mustVerify(t, dir, uint64(n))

		data := filepath.Join(t.TempDir(), "data")
		done := mustRestore(t, RestoreOptions{Dir: dir, Data: data})
		if done.Behind() || done.Stream != uint64(n) || done.Marker.Newest.Size != 0 {
			t.Errorf("restored %+v", done)
		}
		sameLog(t, d.Audit(), filepath.Join(data, "audit"))
		if got := string(checkpoint(t, d)); got != made.Checkpoint {
			t.Error("the checkpoint is another")
		}
		// It is a healthy data directory, on which the ledger goes on.
		report, err := doctor.Examine(t.Context(), doctor.Config{Data: data})
		must(t, err)
		if !report.Healthy || report.Stream.Stream != uint64(n) || report.Node != made.Node || report.Evidence != uint64(n) {
			t.Errorf("%+v", report)
		}
	}
}

// A backup is made while the log is written to, again and again into one directory.
func TestABackupGrowsWithARunningNode(t *testing.T) {
	const n = 5000
	d, from := archivetest.New(t, 3), archivetest.New(t, n)
	r := from.Reader()
	must(t, os.RemoveAll(d.Audit()))
	log := d.OpenLog()
	dir := t.TempDir()
	var sizes []uint64
	written := make(chan error, 1)
	go func() {
		written <- r.Leaves(1, n, func(seq uint64, _ []byte) error {
			e, err := r.Event(seq)
			if err != nil {
				return err
			}
			if seq%500 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
			return log.Append(eventsOf(e))
		})
	}()
	must(t, log.WaitFor(t.Context(), 10))
	for range 6 {
		made := mustMake(t, d, dir)
		if len(sizes) > 0 && made.Earlier != sizes[len(sizes)-1] {
			t.Errorf("the backup had %d events, now %d", sizes[len(sizes)-1], made.Earlier)
		}
		sizes = append(sizes, made.Size)
		mustVerify(t, dir, made.Size)
		time.Sleep(30 * time.Millisecond)
	}
	must(t, <-written)
	must(t, log.Close())
	if made := mustMake(t, d, dir); made.Size != n {
		t.Errorf("the last has %d events", made.Size)
	}
	mustMake(t, d, dir) // nothing new
	mustVerify(t, dir, n)
	sameLog(t, d.Audit(), filepath.Join(dir, "audit"))
}

func TestACrashLeavesTheEarlierBackup(t *testing.T) {
	for _, at := range []string{"copied", "sealed"} {
		d := archivetest.New(t, 300)
		dir := t.TempDir()
		killed := Options{Data: d.Dir, Dir: dir, step: func(s string) error {
			if s == at {
				return errCrash
			}
			return nil
		}}
		_, err := Make(t.Context(), killed)
		if !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		if _, _, err := Verify(t.Context(), dir, nil); !isIncomplete(err) {
			t.Errorf("a first backup that was cut short is %v", err)
		}
		mustMake(t, d, dir)
		d.Append(300)
		d.Log()
		if _, err := Make(t.Context(), killed); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		mustVerify(t, dir, 300)
		data := filepath.Join(t.TempDir(), "data")
		if done := mustRestore(t, RestoreOptions{Dir: dir, Data: data}); done.Size != 300 {
			t.Errorf("restored %d", done.Size)
		}
		if made := mustMake(t, d, dir); made.Size != 600 || made.Earlier != 300 {
			t.Errorf("made %+v", made)
		}
		mustVerify(t, dir, 600)
		sameLog(t, d.Audit(), filepath.Join(dir, "audit"))
	}
}

func isIncomplete(err error) bool { _, ok := errors.AsType[*IncompleteError](err); return ok }

func flip(t *testing.T, path string, at int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	if at < 0 {
		at += len(raw)
	}
	raw[at] ^= 1
	must(t, os.WriteFile(path, raw, 0o600))
}

// A first backup that was killed before it had put its mark is begun again.
func TestABackupThatWasKilledAtItsBeginningIsBegunAgain(t *testing.T) {
	d := archivetest.New(t, 30)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, incompleteFile+layout.NewSuffix), nil, 0o600))
	_, err := Make(t.Context(), Options{Data: d.Dir, Dir: dir})
	must(t, err)
	mustVerify(t, dir, 30)
}

func TestADamagedLogIsNotBackedUpSilently(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, d archivetest.Data)
		says string
	}{
		"an entry":     {func(t *testing.T, d archivetest.Data) { flip(t, filepath.Join(d.Audit(), layout.SegmentFile(0)), 9000) }, "entry for sequence"},
		"a hash":       {func(t *testing.T, d archivetest.Data) { flip(t, filepath.Join(d.Audit(), layout.TileFile(0)), 32*41) }, "sequence 42"},
		"a checkpoint": {func(t *testing.T, d archivetest.Data) { flip(t, filepath.Join(d.Audit(), "checkpoint"), 40) }, "checkpoint"},
		"a missing one": {func(t *testing.T, d archivetest.Data) {
			must(t, os.Remove(filepath.Join(d.Audit(), layout.SegmentFile(0))))
		}, "is missing"},
		"an older copy": {func(t *testing.T, d archivetest.Data) {
			must(t, os.RemoveAll(d.Audit()))
			log := d.OpenLog()
			must(t, log.Append(first(t, d, 100)))
			must(t, log.Close())
		}, "lost its end"},
	} {
		t.Run(name, func(t *testing.T) {
			d := archivetest.New(t, 300)
			dir := t.TempDir()
			if name == "an older copy" {
				mustMake(t, d, dir)
			}
			c.do(t, d)
			_, err := Make(t.Context(), Options{Data: d.Dir, Dir: dir})
			if err == nil || !IsDamage(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
			if name == "an older copy" {
				mustVerify(t, dir, 300)
			}
		})
	}
}

func TestABackupIsOfOneLog(t *testing.T) {
	d, other := archivetest.New(t, 10), archivetest.New(t, 20)
	dir := t.TempDir()
	mustMake(t, d, dir)
	if _, err := Make(t.Context(), Options{Data: other.Dir, Dir: dir}); err == nil || !strings.Contains(err.Error(), "another log") {
		t.Errorf("the error is %v", err)
	}
	if _, err := Make(t.Context(), Options{Data: d.Dir, Dir: filepath.Join(d.Dir, "backup")}); err == nil || !strings.Contains(err.Error(), "what happens to the one happens to the other") {
		t.Errorf("the error is %v", err)
	}
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "diary"), nil, 0o600))
	if _, err := Make(t.Context(), Options{Data: d.Dir, Dir: full}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("the error is %v", err)
	}
	if _, err := Make(t.Context(), Options{Data: t.TempDir(), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not a node's data directory") {
		t.Errorf("the error is %v", err)
	}
	mustVerify(t, dir, 10)
}

func TestAnyDamageOfABackupIsFoundBeforeAnythingIsMade(t *testing.T) {
	d := archivetest.New(t, 700)
	good := t.TempDir()
	mustMake(t, d, good)
	files := slices.Sorted(maps.Keys(archivetest.Files(t, good)))
	for _, name := range files {
		info, err := os.Stat(filepath.Join(good, name))
		must(t, err)
		if info.IsDir() || strings.HasSuffix(name, "state") || name == "audit/checkpoint" { // no part of it
			continue
		}
		for what, do := range map[string]func(path string){
			"flipped":   func(path string) { flip(t, path, int(info.Size()/2)) },
			"truncated": func(path string) { must(t, os.Truncate(path, info.Size()-1)) },
			"removed":   func(path string) { must(t, os.Remove(path)) },
		} {
			if what == "truncated" && name == ManifestFile { // its last line feed
				continue
			}
			t.Run(name+" "+what, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "backup")
				must(t, os.CopyFS(dir, os.DirFS(good)))
				do(filepath.Join(dir, name))
				data := filepath.Join(t.TempDir(), "data")
				_, err := Restore(t.Context(), RestoreOptions{Dir: dir, Data: data})
				if err == nil || !IsDamage(err) && name != ManifestFile && !strings.HasPrefix(name, "keys") {
					t.Errorf("the error is %v", err)
				}
				if _, err := os.Stat(data); err == nil {
					t.Error("there is a data directory")
				}
			})
		}
	}
}

func TestARestoredDirectoryKnowsWhatItLacks(t *testing.T) {
	d := archivetest.New(t, 100)
	dir := t.TempDir()
	mustMake(t, d, dir)
	early := checkpoint(t, d)
	d.Append(20)
	d.Log()
	since := checkpoint(t, d)

	// A checkpoint that the backup has.
	data := filepath.Join(t.TempDir(), "data")
	if done := mustRestore(t, RestoreOptions{Dir: dir, Data: data, Since: early}); done.Behind() || done.Marker.Newest.Size != 0 {
		t.Errorf("restored %+v", done)
	}
	// A newer one: the node will refuse.
	data = filepath.Join(t.TempDir(), "data")
	done := mustRestore(t, RestoreOptions{Dir: dir, Data: data, Since: since})
	if !done.Behind() || done.Marker.Newest.Size != 120 || !done.Marker.LossAccepted.IsZero() {
		t.Errorf("restored %+v", done)
	}
	refused := func(data string, is bool) {
		t.Helper()
		marker, err := identity.ReadRestored(filepath.Join(data, "keys"))
		must(t, err)
		r, err := audit.OpenReader(filepath.Join(data, "audit"))
		must(t, err)
		defer r.Close()
		err = identity.CheckRestored(marker, r, r.Size())
		if _, ok := errors.AsType[*identity.RestoredError](err); ok != is || !ok && err != nil {
			t.Errorf("the error is %v", err)
		}
		if is && !strings.Contains(err.Error(), "20 events between") {
			t.Errorf("the error is %v", err)
		}
	}
	refused(data, true)
	// Accepted afterwards, in the same directory.
	if done = mustRestore(t, RestoreOptions{Dir: dir, Data: data, AcceptLoss: true}); !done.OnlyAccepted || done.Behind() {
		t.Errorf("accepted %+v", done)
	}
	refused(data, false)
	// Or at once.
	data = filepath.Join(t.TempDir(), "data")
	if done = mustRestore(t, RestoreOptions{Dir: dir, Data: data, Since: since, AcceptLoss: true}); done.Behind() || done.Marker.LossAccepted.IsZero() {
		t.Errorf("accepted %+v", done)
	}
	refused(data, false)

	// A checkpoint of another history, or another log.
	other := archivetest.New(t, 100)
	if _, err := Restore(t.Context(), RestoreOptions{Dir: dir, Data: t.TempDir(), Since: checkpoint(t, other)}); err == nil || !strings.Contains(err.Error(), "--since") || !IsDamage(err) {
		t.Errorf("the error is %v", err)
	}
}

func TestRestoreTakesNoDirectoryThatIsTaken(t *testing.T) {
	d := archivetest.New(t, 100)
	dir := t.TempDir()
	mustMake(t, d, dir)
	d.Append(20)
	d.Log()
	before := archivetest.Files(t, d.Dir)
	_, err := Restore(t.Context(), RestoreOptions{Dir: dir, Data: d.Dir, AcceptLoss: true})
	if taken, ok := errors.AsType[*TakenError](err); !ok || taken.Newer != 120 || !strings.Contains(err.Error(), "20 events more") {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(before, archivetest.Files(t, d.Dir)); diff != "" {
		t.Errorf("it was changed: %s", diff)
	}
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "diary"), nil, 0o600))
	if _, err := Restore(t.Context(), RestoreOptions{Dir: dir, Data: full}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("the error is %v", err)
	}
	// An empty one is taken, such as a mount.
	mount := t.TempDir()
	must(t, os.Mkdir(filepath.Join(mount, "lost+found"), 0o700))
	mustRestore(t, RestoreOptions{Dir: dir, Data: mount})
}

func TestACrashInARestoreIsNoDataDirectory(t *testing.T) {
	d := archivetest.New(t, 100)
	dir := t.TempDir()
	mustMake(t, d, dir)
	for _, at := range []string{"staged", "placed stream", "placed audit", "placed keys"} {
		t.Run(at, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			_, err := Restore(t.Context(), RestoreOptions{Dir: dir, Data: data, step: func(s string) error {
				if s == at {
					return errCrash
				}
				return nil
			}})
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			_, err = identity.Open(filepath.Join(data, "keys"))
			if at == "placed keys" { // it is complete
				must(t, err)
			} else {
				if _, ok := errors.AsType[*identity.RestoringError](err); !ok {
					t.Fatalf("a node would start: %v", err)
				}
				mustRestore(t, RestoreOptions{Dir: dir, Data: data})
			}
			report, err := doctor.Examine(t.Context(), doctor.Config{Data: data})
			must(t, err)
			if !report.Healthy || report.Stream.Stream != 100 {
				t.Errorf("%+v", report)
			}
		})
	}
}

func TestARestoreKeepsToAnExternalStream(t *testing.T) {
	d := archivetest.New(t, 100)
	dir := t.TempDir()
	mustMake(t, d, dir)
	d.Append(20)
	d.Log()
	since := checkpoint(t, d)

	// The stream is there and has more: nothing is lost.
	url, stop := archivetest.Listen(t, d.Stream())
	data := filepath.Join(t.TempDir(), "data")
	done := mustRestore(t, RestoreOptions{Dir: dir, Data: data, Since: since, NATSURL: url, Replicas: 1})
	if done.Stream != 120 || done.Behind() || done.Marker.Newest.Size != 120 {
		t.Errorf("restored %+v", done)
	}
	if _, err := os.Stat(filepath.Join(data, "stream")); err == nil {
		t.Error("there is a store of a stream")
	}
	stop()
	// It is gone: it is made from the backup.
	url, stop = archivetest.Listen(t, t.TempDir())
	data = filepath.Join(t.TempDir(), "data")
	if done = mustRestore(t, RestoreOptions{Dir: dir, Data: data, Since: since, NATSURL: url, Replicas: 1}); done.Stream != 100 || !done.Behind() {
		t.Errorf("restored %+v", done)
	}
	stop()
	// It is another's.
	url, stop = archivetest.Listen(t, archivetest.New(t, 150).Stream())
	defer stop()
	data = filepath.Join(t.TempDir(), "data")
	_, err := Restore(t.Context(), RestoreOptions{Dir: dir, Data: data, NATSURL: url, Replicas: 1})
	if wrong, ok := errors.AsType[*StreamError](err); !ok || wrong.Comparison.Changed != 100 {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(data, "keys")); err == nil {
		t.Error("there is a data directory")
	}
}
