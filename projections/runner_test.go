package projections_test

import (
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

func TestApplyOnceInOrder(t *testing.T) {
	p := &tally{name: "tally", version: 1}
	r := open(t, vfs.NewMem(), p)
	if r.From() != 0 || r.Applied() != 0 || r.Position() != (projections.Position{}) {
		t.Fatalf("a new store is at %d, %d, %v", r.From(), r.Applied(), r.Position())
	}
	apply(t, r, 1, 10)
	apply(t, r, 1, 10) // repeats
	apply(t, r, 5, 21) // half of it repeats
	checkRows(t, p, 21)
	if r.From() != 21 || r.Applied() != 21 {
		t.Errorf("after 21 events the store is at %d, %d", r.From(), r.Applied())
	}
	want := projections.Position{Seq: 21, Hash: sha256.Sum256([]byte("event 21"))}
	if r.Position() != want {
		t.Errorf("evidence is %v, not %v", r.Position(), want)
	}
	status := []projections.Status{{Name: "tally", Version: 1, Applied: 21, Unknown: 3}}
	if diff := cmp.Diff(status, r.Status()); diff != "" {
		t.Error(diff)
	}
}

func TestGapKeepsNothing(t *testing.T) {
	p := &tally{name: "tally", version: 1}
	r := open(t, vfs.NewMem(), p)
	apply(t, r, 1, 4)
	holed := append(run(5, 6), run(8, 9)...)
	for name, c := range map[string]struct {
		batch     []events.Recorded
		want, got uint64
	}{
		"before the batch": {run(6, 9), 5, 6},
		"within the batch": {holed, 7, 8},
	} {
		var gap *projections.GapError
		if err := r.Apply(c.batch); !errors.As(err, &gap) || gap.Want != c.want || gap.Got != c.got {
			t.Errorf("a gap %s gives %v", name, err)
		}
	}
	checkRows(t, p, 4)
	apply(t, r, 5, 9)
	checkRows(t, p, 9)
}

func TestFailedApplyKeepsNothingOfAnyProjection(t *testing.T) {
	first := &tally{name: "first", version: 1}
	second := &tally{name: "second", version: 1}
	r := open(t, vfs.NewMem(), first, second)
	apply(t, r, 1, 3)
	cause := errors.New("no")
	second.refuse = func(e events.Recorded) error {
		if e.Seq == 5 {
			return cause
		}
		return nil
	}
	if err := r.Apply(run(4, 6)); !errors.Is(err, cause) {
		t.Fatalf("a projection's error comes out as %v", err)
	}
	checkRows(t, first, 3)
	second.refuse = nil
	apply(t, r, 4, 6)
	checkRows(t, first, 6)
	checkRows(t, second, 6)
}

func TestPositionSurvivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "projections")
	p := &tally{name: "tally", version: 1}
	for n := uint64(0); n < 3; n++ {
		r, err := projections.Open(dir, quiet(), nil, p)
		if err != nil {
			t.Fatal(err)
		}
		if r.From() != n*10 || r.Position().Seq != n*10 {
			t.Fatalf("start %d is at %d, evidence %d", n, r.From(), r.Position().Seq)
		}
		checkRows(t, p, n*10)
		apply(t, r, n*10+1, n*10+10)
		shut(t, r)
		shut(t, r) // again: the same answer
		if err := r.Apply(run(1, 1)); !errors.Is(err, projections.ErrClosed) {
			t.Errorf("Apply after Close gives %v", err)
		}
		if _, _, err := p.view.Get([]byte("count"), nil); !errors.Is(err, projections.ErrClosed) {
			t.Errorf("Get after Close gives %v", err)
		}
		if _, err := p.view.Iter(nil, nil); !errors.Is(err, projections.ErrClosed) {
			t.Errorf("Iter after Close gives %v", err)
		}
	}
}

func TestNewVersionIsBuiltAnewBesideTheOthers(t *testing.T) {
	fs := vfs.NewMem()
	stays := &tally{name: "stays", version: 1}
	grows := &tally{name: "grows", version: 1}
	r := open(t, fs, stays, grows)
	apply(t, r, 1, 20)
	evidence := r.Position()
	shut(t, r)

	grows.version = 2
	r = open(t, fs, stays, grows)
	checkRows(t, stays, 20)
	checkRows(t, grows, 0)
	if r.From() != 0 || r.Applied() != 0 || r.Position() != evidence {
		t.Fatalf("the store is at %d, %d, evidence %v", r.From(), r.Applied(), r.Position())
	}
	apply(t, r, 1, 8) // only what is being built anew moves
	checkRows(t, stays, 20)
	checkRows(t, grows, 8)
	if r.Applied() != 8 || r.Position() != evidence {
		t.Errorf("the store is at %d, evidence %v", r.Applied(), r.Position())
	}
	apply(t, r, 9, 30)
	checkRows(t, stays, 30)
	checkRows(t, grows, 30)
}

func TestRebuildOnRequest(t *testing.T) {
	fs := vfs.NewMem()
	p := &tally{name: "tally", version: 1}
	r := open(t, fs, p)
	apply(t, r, 1, 20)
	evidence := r.Position()
	if err := r.Rebuild(); err != nil {
		t.Fatal(err)
	}
	checkRows(t, p, 0)
	if r.From() != 0 || r.Applied() != 0 || r.Position() != evidence || p.loads != 2 {
		t.Fatalf("after a rebuild the store is at %d, %d, evidence %v, loaded %d times", r.From(), r.Applied(), r.Position(), p.loads)
	}
	var gap *projections.GapError
	if err := r.Apply(run(21, 22)); !errors.As(err, &gap) {
		t.Errorf("a follower that goes on where it was is told %v", err)
	}

	// The events must be the same ones.
	forged := run(15, 25)
	forged[5].Raw = []byte("another event 20")
	apply(t, r, 1, 14)
	var evidenceErr *projections.EvidenceError
	if err := r.Apply(forged); !errors.As(err, &evidenceErr) || evidenceErr.Seq != 20 {
		t.Errorf("a forged event gives %v", err)
	}
	apply(t, r, 15, 25)
	checkRows(t, p, 25)
}

func TestRowsOfUnregisteredProjectionAreDeleted(t *testing.T) {
	fs := vfs.NewMem()
	stays, goes := &tally{name: "stays", version: 1}, &tally{name: "goes", version: 1}
	r := open(t, fs, stays, goes)
	apply(t, r, 1, 5)
	shut(t, r)
	r = open(t, fs, stays)
	apply(t, r, 6, 9)
	shut(t, r)
	r = open(t, fs, stays, goes)
	checkRows(t, stays, 9)
	checkRows(t, goes, 0)
	apply(t, r, 1, 9)
	checkRows(t, goes, 9)
}

func TestNewerStoreIsRefusedAndLeftAlone(t *testing.T) {
	build := func(t *testing.T, version uint32) string {
		dir := filepath.Join(t.TempDir(), "projections")
		r, err := projections.Open(dir, quiet(), nil, &tally{name: "tally", version: version})
		if err != nil {
			t.Fatal(err)
		}
		apply(t, r, 1, 5)
		shut(t, r)
		return dir
	}
	edit := func(t *testing.T, dir, key string, value []byte) {
		db, err := pebble.Open(dir, &pebble.Options{Merger: &pebble.Merger{Name: "tokenledger.projections.1", Merge: pebble.DefaultMerger.Merge}})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Set([]byte(key), value, pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a newer projection", func(t *testing.T) {
		dir := build(t, 9)
		refused(t, dir, &projections.NewerError{Dir: dir, What: `projection "tally"`, Stored: 9, Known: 3})
	})
	t.Run("a newer layout", func(t *testing.T) {
		dir := build(t, 1)
		edit(t, dir, "\x00layout", []byte{0, 0, 0, 7})
		refused(t, dir, &projections.NewerError{Dir: dir, What: "layout", Stored: 7, Known: 1})
	})
	t.Run("a foreign database", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "other")
		edit(t, dir, "apples", []byte("3"))
		refused(t, dir, &projections.ForeignError{Dir: dir})
	})
	t.Run("a database of another program", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "other")
		db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, &projections.ForeignError{Dir: dir})
	})
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

func refused(t *testing.T, dir string, want error) {
	t.Helper()
	before := files(t, dir)
	_, err := projections.Open(dir, quiet(), nil, &tally{name: "tally", version: 3})
	if err == nil || err.Error() != want.Error() {
		t.Errorf("opening gives %v, not %v", err, want)
	}
	if after := files(t, dir); !maps.Equal(before, after) {
		t.Errorf("the refused folder was changed: %v, before %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestOpenRefusesUnusableProjections(t *testing.T) {
	for name, ps := range map[string][]projections.Projection{
		"none":       nil,
		"same names": {&tally{name: "a"}, &tally{name: "a"}},
		"bad name":   {&tally{name: "a/b"}},
	} {
		if _, err := projections.OpenOn(vfs.NewMem(), "store", quiet(), nil, ps...); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "projections")
	r, err := projections.Open(dir, quiet(), nil, &tally{name: "tally", version: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, r)
	if second, err := projections.Open(dir, quiet(), nil, &tally{name: "tally", version: 1}); err == nil {
		shut(t, second)
		t.Error("two runners have one folder open")
	}
}
