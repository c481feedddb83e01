package index_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
)

// Whatever the blocks, the restarts and the power cuts: the index finds what a scan of
// the whole log finds, for every filter, in calls of every length.
func TestFindFindsWhatAScanFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "index")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		log := openLog(t, dir)
		defer log.Close()
		fs := vfs.NewCrashableMem()
		var past []events.Recorded
		at := began
		for range rapid.IntRange(1, 4).Draw(t, "lives") {
			x := run(t, index.Config{FS: fs, Log: log, Block: rapid.IntRange(1, 20).Draw(t, "block")})
			x.LimitSteps(rapid.SampledFrom([]int{8, 20, 10_000}).Draw(t, "steps"))
			start := len(past)
			for range rapid.IntRange(0, 40).Draw(t, "events") {
				// The clock steps back now and then.
				at = at.Add(time.Duration(rapid.IntRange(-20, 30).Draw(t, "seconds")) * time.Second)
				past = append(past, record(t, uint64(len(past)+1), at, rapid.SampledFrom(tenants).Draw(t, "tenant"), draw(t)))
			}
			if err := log.Append(past[start:]); err != nil {
				t.Fatal(err)
			}
			x.wait(uint64(len(past)))
			if got := x.Indexed(); got != uint64(len(past)) {
				t.Fatalf("indexed %d of %d", got, len(past))
			}
			for range 8 {
				q := drawQuery(t, uint64(len(past)))
				after := rapid.Uint64Range(0, uint64(len(past)+1)).Draw(t, "after") * uint64(rapid.IntRange(0, 1).Draw(t, "first page"))
				if got, want := x.all(log, q, after), scan(past, q, after); !slices.Equal(got, want) {
					t.Fatalf("%+v after %d gives %d; a scan gives %d", q, after, got, want)
				}
			}
			when := began.Add(time.Duration(rapid.IntRange(-50, 450).Draw(t, "moment")) * time.Second)
			to := rapid.Uint64Range(0, uint64(len(past))).Draw(t, "to")
			var want uint64
			for _, r := range past[:to] {
				if !r.Received.After(when) {
					want = r.Seq
				}
			}
			if got, err := x.LastBefore(context.Background(), when, to); err != nil || got != want {
				t.Fatalf("the last before %v of %d is %d, %v; want %d", when, to, got, err, want)
			}
			if rapid.Bool().Draw(t, "power cut") {
				crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, uint64(len(past))))})
				x.close()
				fs = crashed
			} else {
				x.close()
			}
		}
	})
}
