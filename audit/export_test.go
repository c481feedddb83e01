package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
)

// exporting has a log of n leaves exported into a directory.
func exporting(t *testing.T, l *audit.Log, to string) error {
	t.Helper()
	signed, err := l.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var last, total uint64
	err = audit.ExportTiles(l.Reader, signed, to, func(done, all uint64) { last, total = done, all })
	if err == nil && (last != l.Size() || total != last && l.Size() > 0) {
		t.Errorf("the progress ends with %d of %d", last, total)
	}
	return err
}

func TestAnExportHasEveryTileOfItsSize(t *testing.T) {
	l := open(t, t.TempDir(), newKey(t))
	defer l.Close()
	if err := l.Append(recordedRange(t, 1, 600)); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "new", "export")
	if err := exporting(t, l, to); err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := filepath.WalkDir(to, func(path string, e os.DirEntry, err error) error {
		info, infoErr := e.Info()
		if infoErr != nil {
			return infoErr
		}
		if want := os.FileMode(0o600); !e.IsDir() {
			names = append(names, strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(to)+"/"))
			if info.Mode().Perm() != want {
				t.Errorf("%s has the mode %s", path, info.Mode())
			}
		} else if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := "checkpoint tile/0/000 tile/0/001 tile/0/002.p/88 tile/1/000.p/2 tile/entries/000 tile/entries/001 tile/entries/002.p/88"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestAnExportThatWasInterruptedGoesOn(t *testing.T) {
	l := open(t, t.TempDir(), newKey(t))
	defer l.Close()
	if err := l.Append(recordedRange(t, 1, 600)); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := exporting(t, l, to); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(to, "tile/entries/001"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checkpoint", "tile/entries/001", "tile/1/000.p/2"} {
		if err := os.Remove(filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tile/entries/001.new", "checkpoint.new"} {
		if err := os.WriteFile(filepath.Join(to, name), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := exporting(t, l, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "tile/entries/001")); err != nil || string(got) != string(whole) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, name := range []string{"tile/entries/001.new", "checkpoint.new"} {
		if _, err := os.Stat(filepath.Join(to, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

func TestAnExportIntoWhatIsNotItsOwnIsRefused(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	l := open(t, dir, k)
	defer l.Close()
	if err := l.Append(recordedRange(t, 1, 300)); err != nil {
		t.Fatal(err)
	}
	other := open(t, t.TempDir(), k)
	defer other.Close()
	if err := other.Append(recordedRange(t, 1, 300)[:299]); err != nil {
		t.Fatal(err)
	}
	different := recorded(t, 301)
	different.Seq = 300
	if err := other.Append([]events.Recorded{different}); err != nil {
		t.Fatal(err)
	}
	newer := open(t, t.TempDir(), k)
	defer newer.Close()
	if err := newer.Append(recordedRange(t, 1, 301)); err != nil {
		t.Fatal(err)
	}
	write := func(to, name string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700), os.WriteFile(filepath.Join(to, name), []byte("mine"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for words, prepare := range map[string]func(to string){
		`there is "notes" in it`:                        func(to string) { write(to, "notes") },
		"its checkpoint is not of this log":             func(to string) { write(to, layout.CheckpointFile) },
		"is not of this log as it is now":               func(to string) { _ = exporting(t, other, to) },
		"a newer export is there":                       func(to string) { _ = exporting(t, newer, to) },
		"tile/0/000 is there, and is not what this log": func(to string) { write(to, "tile/0/000") },
	} {
		to := t.TempDir()
		prepare(to)
		err := exporting(t, l, to)
		if _, ok := errors.AsType[*audit.ExportError](err); !ok || !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want %s", err, words)
		}
	}
	// A checkpoint of another log makes no export of this one.
	signed, err := other.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "export")
	err = audit.ExportTiles(l.Reader, signed, to, nil)
	if _, ok := errors.AsType[*audit.CorruptError](err); !ok {
		t.Error(err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}
