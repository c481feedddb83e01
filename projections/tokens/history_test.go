package tokens_test

import (
	"slices"
	"testing"
)

func TestChangesLeaveUsesOut(t *testing.T) {
	l := newLedger(t)
	l.tell(
		generated(1),
		used(1, 3, at(2), "n", 1),
		generated(2),
		revoked(1, at(9)),
		used(1, 1, at(5), "n", 2),
		revoked(1, at(8)),
	)
	for last, want := range map[uint64][]uint64{0: nil, 1: {1}, 2: {1}, 3: {1}, 4: {1, 4}, 5: {1, 4}, 6: {1, 4, 6}, 99: {1, 4, 6}} {
		got, err := l.Changes(id(1), last)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("up to %d: %v, %v; want %v", last, got, err, want)
		}
	}
}
