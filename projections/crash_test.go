package projections_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tokenledger/tokenledger/projections"
)

// A power cut loses whatever was not synced, in any order; what comes back must be
// the rows, the positions and the evidence of one and the same moment.
func TestPowerCutRewindsRowsAndPositionTogether(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 7))
		fs := vfs.NewCrashableMem()
		var durable uint64
		for life := 0; life < 4; life++ {
			a, b := &tally{name: "a", version: 1, holds: true}, &tally{name: "b", version: 1, holds: true}
			r, err := projections.OpenOn(fs, "store", quiet(), func(err error) { t.Errorf("round %d: %v", round, err) }, a, b)
			if err != nil {
				t.Fatalf("round %d, life %d: %v", round, life, err)
			}
			r.SetBulk(400, 3)
			at := r.Applied()
			if at < durable {
				t.Fatalf("round %d, life %d: %d events were synced, %d are left", round, life, durable, at)
			}
			checkRows(t, a, at)
			checkRows(t, b, at)
			if p := r.Position(); p.Seq != at {
				t.Fatalf("round %d: rows are at %d, the evidence at %d", round, at, p.Seq)
			}
			for range rng.IntN(40) {
				n := uint64(rng.IntN(30))
				if n > 0 && rng.IntN(3) == 0 {
					bulk(t, r, at+1, at+n)
					durable = at + n
				} else {
					apply(t, r, at+1, at+n)
				}
				at += n
			}
			if rng.IntN(4) == 0 {
				shut(t, r) // an orderly end keeps all
				durable = at
				continue
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			shut(t, r)
			fs = crashed
		}
	}
}
