//go:build unix

package tokens_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
)

// The rows of a rebuild, which go into the store as tables, are those that the events make
// as they come in.
func TestBulkMakesTheRowsThatApplyMakes(t *testing.T) {
	w := newWorkload(50, 40)
	one, other := newLedger(t), newLedger(t)
	var past []events.Recorded
	for range 20 {
		batch := w.batch(500)
		past = append(past, batch...)
		one.apply(batch)
	}
	fill := func(first, last int) func(func([]events.Recorded) error) error {
		return func(apply func([]events.Recorded) error) error {
			for ; first < last; first += 1000 {
				if err := apply(past[first : first+1000]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := other.runner.Bulk(fill(0, 8000)); err != nil {
		t.Fatal(err)
	}
	other.restart()
	if err := other.runner.Bulk(fill(8000, 10000)); err != nil { // too few for a table
		t.Fatal(err)
	}
	if diff := gocmp.Diff(one.dump(), other.dump()); diff != "" {
		t.Error(diff)
	}
}
