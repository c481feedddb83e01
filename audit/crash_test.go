package audit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
)

// The log of the crash tests begins close to the end of its first segment, so that the
// commits under test end one segment and begin the next.
const (
	crashBase = layout.SegmentLeaves - 400
	crashLast = layout.SegmentLeaves + 300
)

// crashWork is what is appended, and the log that it is appended to.
type crashWork struct {
	k      key
	base   *faultFS
	events []events.Recorded // from crashBase+1 on
	roots  map[uint64]tlog.Hash
	want   *faultFS // the disk when all went well
}

func openOn(k key, fsys audit.FS) (*audit.Log, error) {
	// Commits come when they are asked for, so that the same operations follow on one
	// another in each run.
	return audit.Open(audit.Config{FS: fsys, Signer: k.Signer, Verifier: k.verifier, CommitEvery: time.Hour})
}

func newCrashWork(t *testing.T) *crashWork {
	t.Helper()
	w := &crashWork{k: newKey(t), base: newFaultFS(), events: recordedRange(t, crashBase+1, crashLast), roots: map[uint64]tlog.Hash{}}
	l, err := openOn(w.k, w.base)
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(0); at < crashBase; {
		next := min(crashBase, at+8192)
		if err := l.Append(recordedRange(t, at+1, next)); err != nil {
			t.Fatal(err)
		}
		at = next
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	clean := w.base.after(false, nil)
	if size, err := w.run(t.Context(), clean, w.roots); err != nil || size != crashLast {
		t.Fatalf("%d entries without a fault: %v", size, err)
	}
	w.want = clean
	return w
}

// run appends what the log has not got, in batches of several sizes, and gives what
// was acknowledged. The roots of the sizes that were committed are put into roots, or
// held against it.
func (w *crashWork) run(ctx context.Context, fsys audit.FS, roots map[uint64]tlog.Hash) (acknowledged uint64, err error) {
	l, err := openOn(w.k, fsys)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	acknowledged = l.Size()
	for i := 0; acknowledged < crashLast; i++ {
		batch := w.events[acknowledged-crashBase:]
		batch = batch[:min(len(batch), []int{1, 255, 130, 64}[i%4])]
		if err := l.Append(batch); err != nil {
			return acknowledged, err
		}
		last := batch[len(batch)-1].Seq
		if i%3 == 2 {
			_, err = l.Checkpoint(ctx)
		} else {
			err = l.WaitFor(ctx, last)
		}
		if err != nil {
			return acknowledged, err
		}
		acknowledged = last
		if _, known := roots[last]; !known {
			roots[last] = l.Tree().Hash
		} else if roots[last] != l.Tree().Hash {
			return acknowledged, fmt.Errorf("%d entries have another root than in the run without a fault", last)
		}
	}
	return acknowledged, nil
}

// settle runs on after a fault, without another, and holds the files against those of
// the run without a fault.
func (w *crashWork) settle(t *testing.T, what string, disk *faultFS, acknowledged uint64) {
	t.Helper()
	r, err := audit.OpenReaderOn(disk)
	if err != nil {
		t.Errorf("%s: the state cannot be read: %v", what, err)
		return
	}
	if r.Size() < acknowledged {
		t.Errorf("%s: %d entries are left of %d that were acknowledged", what, r.Size(), acknowledged)
	}
	_ = r.Close()
	if _, err := w.run(t.Context(), disk, maps.Clone(w.roots)); err != nil {
		t.Errorf("%s: after it: %v", what, err)
		return
	}
	for name, file := range w.want.names {
		switch name {
		case layout.StateFile, layout.CheckpointFile: // which slot is written last depends on the number of commits
			continue
		}
		if !equal(disk.names[name], file) {
			t.Errorf("%s: %s has other bytes than without the fault", what, name)
		}
	}
	if tree := mustTree(t, disk); tree.N != crashLast || tree.Hash != w.roots[crashLast] {
		t.Errorf("%s: the tree is %v", what, tree)
	}
}

func mustTree(t *testing.T, disk *faultFS) tlog.Tree {
	t.Helper()
	r, err := audit.OpenReaderOn(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.Tree()
}

// TestAKillOrPowerCutAtEveryBoundary kills the process before each write, sync, rename
// and so on, and cuts the power there.
func TestAKillOrPowerCutAtEveryBoundary(t *testing.T) {
	w := newCrashWork(t)
	for at := 1; ; at++ {
		disk := w.base.after(false, nil)
		disk.at, disk.fault, disk.dead, disk.torn = at, errKilled, true, at%2 == 0
		acknowledged, err := w.run(t.Context(), disk, maps.Clone(w.roots))
		if err == nil && disk.ops < at {
			t.Logf("%d boundaries", at-1)
			return
		}
		w.settle(t, fmt.Sprintf("killed at operation %d", at), disk.after(false, nil), acknowledged)
		for seed := range uint64(2) {
			w.settle(t, fmt.Sprintf("power cut at operation %d, %d", at, seed), disk.after(true, rand.New(rand.NewPCG(seed, uint64(at)))), acknowledged)
		}
		if t.Failed() {
			return
		}
	}
}

// TestAFailedWriteOrSyncIsFinal: after an error of the disk the log takes nothing more,
// says so, and the next start goes on from what was committed.
func TestAFailedWriteOrSyncIsFinal(t *testing.T) {
	w := newCrashWork(t)
	for _, fault := range []error{errFull, errIO} {
		for at := 1; ; at++ {
			disk := w.base.after(false, nil)
			disk.at, disk.fault, disk.torn = at, fault, at%2 == 1
			acknowledged, err := w.run(t.Context(), disk, maps.Clone(w.roots))
			if err == nil && disk.ops < at {
				break
			}
			what := fmt.Sprintf("%v at operation %d", fault, at)
			if !errors.Is(err, fault) {
				t.Errorf("%s: the log says %v", what, err)
			}
			// The next process finds the disk as it is, or as a power cut leaves it.
			w.settle(t, what, disk.after(false, nil), acknowledged)
			w.settle(t, what+", then a power cut", disk.after(true, rand.New(rand.NewPCG(1, uint64(at)))), acknowledged)
			if t.Failed() {
				return
			}
		}
	}
}
