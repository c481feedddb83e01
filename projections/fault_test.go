package projections_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// failing lets n writes pass and fails every one after them.
type failing struct {
	err  error
	kind func(errorfs.OpKind) bool
	left atomic.Int64
}

func (f *failing) String() string { return "failing" }

func (f *failing) MaybeError(op errorfs.Op) error {
	if f.kind(op.Kind) && f.left.Add(-1) < 0 {
		return f.err
	}
	return nil
}

func writes(k errorfs.OpKind) bool {
	switch k {
	case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo,
		errorfs.OpRename, errorfs.OpReuseForWrite, errorfs.OpLink, errorfs.OpMkdirAll:
		return true
	}
	return false
}

func syncs(k errorfs.OpKind) bool {
	return k == errorfs.OpFileSync || k == errorfs.OpFileSyncData
}

// big makes events whose rows fill memtables, so that logs are rotated and tables
// written.
func big(seq uint64) []events.Recorded {
	r := event(seq)
	r.Raw = make([]byte, 2<<20)
	copy(r.Raw, fmt.Appendf(nil, "event %d", seq))
	return []events.Recorded{r}
}

// Whatever write fails first, and at whatever time, the process goes on, everybody
// is told, and the next start finds rows and position of one moment.
func TestFailedWriteEndsTheStoreInOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		kind   func(errorfs.OpKind) bool
		afters []int64
	}{
		{"full disk", syscall.ENOSPC, writes, []int64{0, 1, 10, 40, 150, 400}},
		{"failed sync", syscall.EIO, syncs, []int64{0, 1, 3, 10, 20}},
	} {
		for _, after := range c.afters {
			t.Run(fmt.Sprint(c.name, " after ", after), func(t *testing.T) {
				mem := vfs.NewMem()
				inject := &failing{err: c.err, kind: c.kind}
				inject.left.Store(1 << 40)
				told := make(chan error, 2)
				p := &tally{name: "tally", version: 1}
				r, err := projections.OpenOn(errorfs.Wrap(mem, inject), "store", quiet(), func(err error) { told <- err }, p)
				if err != nil {
					t.Fatal(err)
				}
				inject.left.Store(after)
				acknowledged := uint64(0)
				var fatal *projections.FatalError
				for seq := uint64(1); seq <= 40; seq++ {
					if err := r.Apply(big(seq)); err != nil {
						if !errors.As(err, &fatal) || !errors.Is(err, c.err) {
							t.Fatalf("Apply on a failed disk gives %v", err)
						}
						break
					}
					acknowledged = seq
				}
				err = r.Close() // a sync, if nothing was noticed before
				if !errors.As(err, &fatal) || !errors.Is(err, c.err) {
					t.Fatalf("Close on a failed disk gives %v", err)
				}
				if err := r.Apply(big(acknowledged + 1)); err == nil {
					t.Error("a failed store takes events")
				}
				if _, err := p.view.Has([]byte("count")); err == nil {
					t.Error("a failed store is read")
				}
				if len(told) > 1 {
					t.Error("onFatal was called twice")
				}

				// The disk is mended.
				r = open(t, mem, p)
				at := r.Applied()
				if at > acknowledged+1 || at != r.Position().Seq {
					t.Fatalf("%d events were acknowledged; afterwards rows are at %d and the evidence at %d", acknowledged, at, r.Position().Seq)
				}
				for seq := uint64(1); seq <= at; seq++ {
					if found, err := p.view.Has(seqKey(seq)); err != nil || found != (seq%3 != 2 || seq == at) {
						t.Fatalf("event %d of %d: row found %v, error %v", seq, at, found, err)
					}
				}
				if err := r.Apply(big(at + 1)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestFailureIsToldOnceAndWakesWhoWaits(t *testing.T) {
	inject := &failing{err: syscall.ENOSPC, kind: writes}
	inject.left.Store(1 << 40)
	told := make(chan error, 2)
	p := &tally{name: "tally", version: 1}
	r, err := projections.OpenOn(errorfs.Wrap(vfs.NewMem(), inject), "store", quiet(), func(err error) { told <- err }, p)
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan error)
	go func() { waits <- r.WaitFor(t.Context(), 1000) }()
	inject.left.Store(0)
	if err := r.Apply(run(1, 3)); err != nil {
		t.Logf("noticed at once: %v", err)
	}
	var fatal *projections.FatalError
	if err := <-told; !errors.As(err, &fatal) { // the sync, a second later at most
		t.Errorf("onFatal is told %v", err)
	}
	if err := <-waits; !errors.As(err, &fatal) {
		t.Errorf("who waits is told %v", err)
	}
	for name, err := range map[string]error{
		"WaitFor": r.WaitFor(t.Context(), 1), "Err": r.Err(), "Rebuild": r.Rebuild(), "Apply": r.Apply(run(4, 5)), "Close": r.Close(),
	} {
		if !errors.As(err, &fatal) {
			t.Errorf("%s on a failed store gives %v", name, err)
		}
	}
}

func TestOpenOnFailingDiskIsAnError(t *testing.T) {
	for after := range int64(12) {
		inject := &failing{err: syscall.ENOSPC, kind: writes}
		inject.left.Store(after)
		r, err := projections.OpenOn(errorfs.Wrap(vfs.NewMem(), inject), "store", quiet(), nil, &tally{name: "tally", version: 1})
		if err == nil {
			// The disk was full just after.
			_ = r.Close()
			continue
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("opening with room for %d writes gives %v", after, err)
		}
	}
}

func TestCorruptTableEndsTheStore(t *testing.T) {
	mem := vfs.NewMem()
	p := &tally{name: "tally", version: 1}
	r := open(t, mem, p)
	apply(t, r, 1, 2000)
	shut(t, r)
	flipTables(t, mem)

	told := make(chan error, 2)
	r, err := projections.OpenOn(mem, "store", quiet(), func(err error) { told <- err }, p)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var fatal *projections.FatalError
	if _, err := p.view.Has(seqKey(1000)); !errors.As(err, &fatal) {
		t.Errorf("reading a corrupt table gives %v", err)
	}
	if err := <-told; !errors.As(err, &fatal) {
		t.Errorf("onFatal is told %v", err)
	}
	if err := r.Apply(run(2001, 2002)); !errors.As(err, &fatal) {
		t.Errorf("Apply gives %v", err)
	}
}
