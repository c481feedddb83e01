package projections_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tokenledger/tokenledger/projections"
)

func TestWaitForReturnsWhenRowsCanBeRead(t *testing.T) {
	p := &tally{name: "tally", version: 1}
	r := open(t, vfs.NewMem(), p)
	const last = 300
	var wg sync.WaitGroup
	for seq := uint64(1); seq <= last; seq++ {
		wg.Go(func() {
			if err := r.WaitFor(t.Context(), seq); err != nil {
				t.Errorf("WaitFor(%d): %v", seq, err)
				return
			}
			if r.Applied() < seq {
				t.Errorf("WaitFor(%d) returned at %d", seq, r.Applied())
			}
			// The row of this query was last set at seq or later.
			if found, err := p.view.Has([]byte(fmt.Sprint("last/", seq%5))); seq%7 != 0 && (err != nil || !found) {
				t.Errorf("after WaitFor(%d) its row is not there: %v", seq, err)
			}
		})
	}
	for seq := uint64(1); seq <= last; seq += 4 {
		apply(t, r, seq, min(seq+3, last))
	}
	wg.Wait()
}

func TestAppliedMovesAfterProjectionsKnowOfTheCommit(t *testing.T) {
	p := &tally{name: "tally", version: 1}
	r := open(t, vfs.NewMem(), p)
	calls := 0
	p.committed = func() {
		calls++
		if r.Applied() != 0 {
			t.Errorf("Applied is %d before the projection heard of the commit", r.Applied())
		}
		checkRows(t, p, 5)
	}
	apply(t, r, 1, 5)
	apply(t, r, 1, 5)
	if calls != 1 {
		t.Errorf("one commit was told %d times", calls)
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	r := open(t, vfs.NewMem(), &tally{name: "tally", version: 1})
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	for range 10 {
		go func() { done <- r.WaitFor(ctx, 5) }()
	}
	cancel(cause)
	for range 10 {
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("WaitFor gives %v", err)
		}
	}
	apply(t, r, 1, 5)
	if err := r.WaitFor(ctx, 5); err != nil {
		t.Errorf("what is applied needs no waiting: %v", err)
	}
}

func TestCloseWakesWhoWaits(t *testing.T) {
	r := open(t, vfs.NewMem(), &tally{name: "tally", version: 1})
	done := make(chan error)
	for range 10 {
		go func() { done <- r.WaitFor(t.Context(), 1) }()
	}
	shut(t, r)
	for range 10 {
		if err := <-done; !errors.Is(err, projections.ErrClosed) {
			t.Errorf("WaitFor gives %v", err)
		}
	}
}

func TestCloseWaitsForReaders(t *testing.T) {
	p := &tally{name: "tally", version: 1}
	r := open(t, vfs.NewMem(), p)
	apply(t, r, 1, 5)
	it, err := p.view.Iter(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- r.Close() }()
	for p.view.Err() == nil {
	}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if want := len(p.want(5)); n != want {
		t.Errorf("an iterator gives %d rows of %d while the store is being closed", n, want)
	}
	select {
	case <-closed:
		t.Error("Close did not wait for the iterator")
	default:
	}
	if err := it.Close(); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func BenchmarkWaitFor(b *testing.B) {
	r := open(b, vfs.NewMem(), &tally{name: "tally", version: 1})
	var seq uint64
	for b.Loop() {
		base := seq
		var wg sync.WaitGroup
		for i := range uint64(64) {
			wg.Go(func() { _ = r.WaitFor(b.Context(), base+1+i) })
		}
		apply(b, r, seq+1, seq+64)
		seq += 64
		wg.Wait()
	}
}
