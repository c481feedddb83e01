package backup

import (
	"testing"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
)

func eventsOf(all ...events.Recorded) []events.Recorded { return all }

// first gives the first n events of the stream, as the log takes them.
func first(t *testing.T, d archivetest.Data, n uint64) (all []events.Recorded) {
	t.Helper()
	s, _, stop := archivetest.Open(t, d.Stream())
	defer stop()
	for seq := uint64(1); seq <= n; seq++ {
		e, err := s.Get(t.Context(), seq)
		must(t, err)
		all = append(all, e)
	}
	return all
}

// A log of more than one segment, backed up where one begins, ends, and in between.
func TestABackupOfSeveralSegments(t *testing.T) {
	if testing.Short() {
		t.Skip("150,000 entries")
	}
	d := archivetest.New(t, 1)
	e := first(t, d, 1)[0]
	log := d.OpenLog()
	dir := t.TempDir()
	next := uint64(2)
	for _, size := range []uint64{3, layout.SegmentLeaves - 1, layout.SegmentLeaves, layout.SegmentLeaves + 1, 2 * layout.SegmentLeaves, 2*layout.SegmentLeaves + 700} {
		for ; next <= size; next++ {
			e.Seq = next
			must(t, log.Append(eventsOf(e)))
		}
		must(t, log.WaitFor(t.Context(), size))
		if made := mustMake(t, d, dir); made.Size != size {
			t.Errorf("made %d, want %d", made.Size, size)
		}
	}
	must(t, log.Close())
	mustVerify(t, dir, next-1)
	sameLog(t, d.Audit(), dir+"/audit")
	whole := t.TempDir()
	mustMake(t, d, whole)
	sameLog(t, d.Audit(), whole+"/audit")
}
