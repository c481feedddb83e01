package tokens_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// picky is a projection that fails at one sequence, once.
type picky struct{ at uint64 }

func (*picky) Name() string    { return "picky" }
func (*picky) Version() uint32 { return 1 }
func (p *picky) Apply(_ *projections.Writer, r events.Recorded) error {
	if r.Seq == p.at {
		p.at = 0
		return errors.New("not this one")
	}
	return nil
}

// A batch that another projection makes fail leaves nothing behind, in memory
// either: applied again, it gives what it would have given.
func TestDiscardedBatchLeavesNothing(t *testing.T) {
	rotated := generated(2)
	rotated.RotatedFrom = id(1)
	batches := [][]events.Data{
		{generated(1), used(1, 1, at(1), "a", 1), &events.LedgerCreated{LedgerID: id(9), LogOrigin: "o", PublicKey: "k"}},
		{used(1, 2, at(2), "a", 2), rotated, revoked(1, at(3)), used(2, 1, at(3), "b", 1), generated(3)},
		{used(1, 2, at(5), "a", 3), generated(3), revoked(3, at(9))},
	}
	want := newLedger(t)
	for _, b := range batches {
		want.tell(b...)
	}
	for fail := uint64(1); fail <= want.seq; fail++ {
		got := &ledger{t: t, fs: vfs.NewMem()}
		got.open()
		got.close()
		// The same store, with the other projection behind this one.
		r, err := projections.OpenOn(got.fs, "store", slog.New(slog.DiscardHandler), nil, got.p, &picky{at: fail})
		if err != nil {
			t.Fatal(err)
		}
		got.runner = r
		for _, b := range batches {
			var batch []events.Recorded
			for _, d := range b {
				batch = append(batch, got.record(d))
			}
			if err := r.Apply(batch); err != nil {
				got.apply(batch)
			}
		}
		if diff := cmp.Diff(want.dump(), got.dump()); diff != "" {
			t.Errorf("failed at %d (-want +got):\n%s", fail, diff)
		}
		got.close()
	}
}
