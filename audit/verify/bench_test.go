package verify_test

import (
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
	"github.com/tokenledger/tokenledger/events"
)

// BenchmarkVerify reads a log of 200,000 leaves of some 500 bytes, from the page cache.
// With -cpu 1 it says what a core does.
func BenchmarkVerify(b *testing.B) {
	const size = 200_000
	k := newKey(b)
	tell := plain(k)
	dir := written(b, k, func(seq uint64) events.Event {
		e := tell(seq)
		if d, ok := e.Data.(*events.TokenSuspended); ok {
			d.Reason += strings.Repeat(".", 70)
		}
		return e
	}, size)
	to := exported(b, dir)
	leaf := len(read(b, dir, layout.SegmentFile(0))) / layout.SegmentLeaves
	for _, form := range []struct {
		name string
		src  func() verify.Source
	}{
		{"dir", func() verify.Source { return verify.Dir(dir) }},
		{"export", func() verify.Source { return verify.Export(to) }},
	} {
		b.Run(form.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := check(b, form.src(), k, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
			b.ReportMetric(float64(leaf), "B/leaf")
		})
	}
}
