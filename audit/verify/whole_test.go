package verify_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
)

var theLarge shared

func TestAWholeLogIsFoundTrue(t *testing.T) {
	k := newKey(t)
	for _, size := range []uint64{0, 1, 2, 3, 255, 256, 257, 1023, 1024, 1025, 2000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := written(t, k, plain(k), size)
			whole(t, verify.Dir(dir), k, dir, size)
			whole(t, verify.Export(exported(t, dir)), k, dir, size)
		})
	}
}

func TestALogOfTwoSegmentsIsFoundTrue(t *testing.T) {
	l := theLarge.get(t)
	whole(t, verify.Dir(l.dir), l.key, l.dir, largeSize)
	whole(t, verify.Export(l.export), l.key, l.dir, largeSize)
}

func TestASegmentThatIsJustFullIsFoundTrue(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), layout.SegmentLeaves)
	whole(t, verify.Dir(dir), k, dir, layout.SegmentLeaves)
}

// whole wants a report without warnings, and progress up to the end.
func whole(t *testing.T, src verify.Source, k key, dir string, size uint64) {
	t.Helper()
	r, err := audit.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last, total uint64
	got, err := verify.Verify(t.Context(), src, verify.Options{Key: k.vkey, Progress: func(done, all uint64) {
		if done < last {
			t.Errorf("the progress went back from %d to %d", last, done)
		}
		last, total = done, all
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != size || got.Committed != size || got.Root != r.Tree().Hash || got.Origin != k.Name() || got.Key != k.vkey || len(got.Warnings) > 0 || last != size || total != size {
		t.Errorf("%+v, progress %d of %d; want %d entries with the root %s", got, last, total, size, r.Tree().Hash)
	}
	if string(got.Checkpoint) != string(read(t, dir, layout.CheckpointFile)) {
		t.Errorf("the checkpoint is %q", got.Checkpoint)
	}
}

func TestEntriesBehindTheCheckpointAreHeldByTheState(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	signed := read(t, dir, layout.CheckpointFile)
	write(t, dir, k, plain(k), 700)
	put(t, dir, layout.CheckpointFile, signed)
	r, err := check(t, verify.Dir(dir), k, nil)
	if err != nil || r.Size != 300 || r.Committed != 700 {
		t.Fatalf("%+v, %v", r, err)
	}
	b := read(t, dir, layout.SegmentFile(0))
	flip(t, dir, layout.SegmentFile(0), len(b)-20)
	_, err = check(t, verify.Dir(dir), k, nil)
	refused(t, err, layout.SegmentFile(0), 700, "the entry of sequence 700 was altered")
}

func TestALogIsVerifiedWhileANodeWritesToIt(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 1)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for last := uint64(200); last < 60_000; last += 200 {
			select {
			case <-stop:
				return
			default:
				write(t, dir, k, plain(k), last)
			}
		}
	}()
	var size uint64
	for deadline := time.Now().Add(30 * time.Second); size < 3000 && time.Now().Before(deadline); {
		r, err := check(t, verify.Dir(dir), k, nil)
		if err != nil {
			t.Error(err)
			break
		}
		if r.Size < size {
			t.Errorf("%d entries after %d", r.Size, size)
		}
		size = r.Size
	}
	close(stop)
	<-done
	if size < 3000 {
		t.Errorf("only %d entries were seen", size)
	}
}

func TestAnExportIsContinued(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	to := exported(t, dir)
	write(t, dir, k, plain(k), 1100)
	export(t, dir, to)
	whole(t, verify.Export(to), k, dir, 1100)
	stale := filepath.Join("tile", "0", "001.p", "44")
	if b := read(t, to, stale); len(b) != 44*layout.HashSize {
		t.Errorf("%s has %d bytes", stale, len(b))
	}
}
