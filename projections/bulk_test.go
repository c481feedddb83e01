package projections_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// bulk applies the events from first to last, a few at a time.
func bulk(t testing.TB, r *projections.Runner, first, last uint64) {
	t.Helper()
	if err := r.Bulk(filling(first, last)); err != nil {
		t.Fatal(err)
	}
}

func filling(first, last uint64) func(func([]events.Recorded) error) error {
	return func(apply func([]events.Recorded) error) error {
		for first <= last {
			n := min(last, first+6)
			if err := apply(run(first, n)); err != nil {
				return err
			}
			first = n + 1
		}
		return nil
	}
}

// linked counts the tables that were taken in.
type linked struct{ n atomic.Int64 }

func (l *linked) String() string { return "linked" }

func (l *linked) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpLink {
		l.n.Add(1)
	}
	return nil
}

// However events come, and whatever their rows are gathered into, the rows are the same.
func TestBulkMakesTheRowsThatApplyMakes(t *testing.T) {
	for _, c := range []struct {
		name        string
		holds       bool
		bytes, rows int
		tables      bool
	}{
		{"tables", true, 300, 3, true},
		{"one table", true, 1 << 20, 3, true},
		{"few rows", true, 300, 1 << 20, false},
		{"one key merged twice", false, 300, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(c.bytes)))
			var tables linked
			fs := errorfs.Wrap(vfs.NewMem(), &tables)
			at := uint64(0)
			for range 3 {
				// b's name comes after a's; whose rows come first is not told by that.
				a, b := &tally{name: "a", version: 1, holds: c.holds}, &tally{name: "b", version: 1, holds: c.holds}
				r := open(t, fs, b, a)
				r.SetBulk(c.bytes, c.rows)
				checkRows(t, a, at)
				for range 10 {
					n := uint64(rng.IntN(60))
					if rng.IntN(2) == 0 {
						apply(t, r, at+1, at+n)
					} else {
						bulk(t, r, at+1-min(at, 3), at+n) // some of them again
					}
					at += n
					checkRows(t, a, at)
					checkRows(t, b, at)
					if r.Applied() != at || r.Position().Seq != at {
						t.Fatalf("at %d: %d are applied, the evidence is of %d", at, r.Applied(), r.Position().Seq)
					}
				}
				shut(t, r)
			}
			if got := tables.n.Load() > 0; got != c.tables {
				t.Errorf("%d tables were made", tables.n.Load())
			}
		})
	}
}

func TestBulkKeepsNothingOfWhatFailed(t *testing.T) {
	p := &tally{name: "tally", version: 1, holds: true}
	r := open(t, vfs.NewMem(), p)
	r.SetBulk(100, 3)
	bulk(t, r, 1, 50)
	stop := errors.New("stopped")
	if err := r.Bulk(func(apply func([]events.Recorded) error) error {
		return errors.Join(apply(run(51, 52)), stop)
	}); !errors.Is(err, stop) {
		t.Errorf("it gives %v", err)
	}
	checkRows(t, p, 50)
	var gap *projections.GapError
	if err := r.Bulk(filling(52, 60)); !errors.As(err, &gap) {
		t.Errorf("a gap gives %v", err)
	}
	other := run(50, 50)
	other[0].Raw = []byte("another")
	var changed *projections.EvidenceError
	if err := r.Bulk(func(apply func([]events.Recorded) error) error { return apply(other) }); !errors.As(err, &changed) {
		t.Errorf("another event gives %v", err)
	}
	p.refuse = func(e events.Recorded) error {
		if e.Seq == 90 {
			return stop
		}
		return nil
	}
	if err := r.Bulk(filling(51, 100)); !errors.Is(err, stop) {
		t.Errorf("it gives %v", err)
	}
	at := r.Applied()
	if at <= 50 || at >= 90 {
		t.Errorf("%d are applied", at)
	}
	checkRows(t, p, at)
	p.refuse = nil
	bulk(t, r, at+1, 100)
	checkRows(t, p, 100)
	if err := r.Rebuild(); err != nil {
		t.Fatal(err)
	}
	bulk(t, r, 1, 100)
	checkRows(t, p, 100)
}

// Whatever write of a table fails, the store ends in order, and the next start finds the
// rows of one moment.
func TestFailedBulkEndsTheStoreInOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		kind func(errorfs.OpKind) bool
	}{{"full disk", syscall.ENOSPC, writes}, {"failed sync", syscall.EIO, syncs}} {
		for _, after := range []int64{0, 1, 2, 3, 5, 8, 13, 24} {
			t.Run(fmt.Sprint(c.name, " after ", after), func(t *testing.T) {
				mem := vfs.NewMem()
				inject := &failing{err: c.err, kind: c.kind}
				inject.left.Store(1 << 40)
				p := &tally{name: "tally", version: 1, holds: true}
				r, err := projections.OpenOn(errorfs.Wrap(mem, inject), "store", quiet(), nil, p)
				if err != nil {
					t.Fatal(err)
				}
				r.SetBulk(300, 3)
				bulk(t, r, 1, 60)
				inject.left.Store(after)
				err = r.Bulk(filling(61, 600))
				var fatal *projections.FatalError
				if !errors.As(err, &fatal) || !errors.Is(err, c.err) {
					t.Fatalf("Bulk on a failed disk gives %v", err)
				}
				if err := r.Close(); !errors.As(err, &fatal) {
					t.Fatalf("Close on a failed disk gives %v", err)
				}
				p.held = 0
				r = open(t, mem, p)
				at := r.Applied()
				if at < 60 || at >= 600 || at != r.Position().Seq {
					t.Fatalf("rows are at %d and the evidence at %d", at, r.Position().Seq)
				}
				checkRows(t, p, at)
				bulk(t, r, at+1, 600)
				checkRows(t, p, 600)
			})
		}
	}
}
