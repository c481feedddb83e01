package tokens_test

import (
	"slices"
	"testing"

	"github.com/tokenledger/tokenledger/events"
)

func TestChangesLeaveOutWhatChangesNothing(t *testing.T) {
	l := newLedger(t)
	l.tell(
		generated(1),
		used(1, 3, at(2), "n", 1),
		generated(2),
		revoked(1, at(9)),
		used(1, 1, at(5), "n", 2),
		revoked(1, at(8)),
		&events.AuditRead{About: about(1), Query: "trace"},
	)
	for last, want := range map[uint64][]uint64{0: nil, 1: {1}, 2: {1}, 3: {1}, 4: {1, 4}, 5: {1, 4}, 6: {1, 4, 6}, 99: {1, 4, 6}} {
		got, err := l.Changes(id(1), last)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("up to %d: %v, %v; want %v", last, got, err, want)
		}
	}
	all := []uint64{1, 2, 4, 5, 6, 7}
	for after := range uint64(9) {
		for limit := range 8 {
			want := all
			for len(want) > 0 && want[0] <= after {
				want = want[1:]
			}
			if limit > 0 {
				want = want[:min(limit, len(want))]
			}
			got, err := l.History(id(1), after, limit)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("after %d, at most %d: %v, %v; want %v", after, limit, got, err, want)
			}
		}
	}
}

// A page that is read while events come in has no gap.
func TestAHistoryIsOfOneMoment(t *testing.T) {
	l := newLedger(t)
	const turns = 500
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for n := range turns {
			var d events.Data = used(1, 1, at(5), "n", uint64(n+1))
			switch n % 3 {
			case 1:
				d = revoked(1, at(uint64(2*turns-n)))
			case 2:
				d = &events.AuditRead{About: about(1), Query: "trace"}
			}
			if n == turns/2 {
				d = generated(1)
			}
			if err := l.runner.Apply([]events.Recorded{recorded(uint64(n+1), d)}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-stop:
			reading = false
		default:
		}
		seqs, err := l.History(id(1), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, seq := range seqs {
			if seq != uint64(i+1) {
				t.Fatalf("the history goes from %d to %d", i, seq)
			}
		}
	}
	if seqs, err := l.History(id(1), 0, 0); err != nil || len(seqs) != turns {
		t.Errorf("%d of %d events, %v", len(seqs), turns, err)
	}
}
