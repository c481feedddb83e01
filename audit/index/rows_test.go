package index

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRowsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.Uint64Range(5000, 1<<40).Draw(t, "last")
		distances := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 4096), 1, 50, rapid.ID[uint64]).Draw(t, "distances")
		if rapid.Bool().Draw(t, "run") {
			for i := range distances {
				distances[i] = distances[0] + uint64(i)
			}
		}
		var seqs []uint64
		for _, d := range distances {
			seqs = append(seqs, last-d)
		}
		slices.Sort(seqs)
		row := appendPostings(nil, last, seqs)
		if got, err := parsePostings(nil, last, row); err != nil || !slices.Equal(got, seqs) {
			t.Fatalf("%d reads back as %d: %v", seqs, got, err)
		}
		b := block{first: last - 3, last: last, from: time.Unix(-5, 7).UTC(), to: time.Unix(1<<38, 0).UTC()}
		if got, err := parseBlock(last, b.append(nil)); err != nil || got != b {
			t.Fatalf("%+v reads back as %+v: %v", b, got, err)
		}
	})
}

// Whatever a damaged row says, what it gives is ascending and of its block.
func FuzzPostings(f *testing.F) {
	f.Add(uint64(10), appendPostings(nil, 10, []uint64{3, 4, 5}))
	f.Add(uint64(10), appendPostings(nil, 10, []uint64{3, 5, 10}))
	f.Add(uint64(10), []byte{asRun, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, last uint64, row []byte) {
		if len(row) > 1000 {
			return
		}
		seqs, err := parsePostings(nil, last, row)
		if err != nil {
			return
		}
		for i, seq := range seqs {
			if seq == 0 || seq > last || i > 0 && seq <= seqs[i-1] {
				t.Fatalf("%d of the block up to %d", seqs, last)
			}
		}
	})
}
