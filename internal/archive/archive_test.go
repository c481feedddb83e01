package archive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
	"github.com/tokenledger/tokenledger/internal/eventstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// restore makes a new stream from the data's archive, beside its own.
func restore(t *testing.T, d archivetest.Data, old *eventstore.Store) (*eventstore.Store, archive.Outcome) {
	t.Helper()
	to, _, stop := archivetest.Open(t, filepath.Join(t.TempDir(), "stream"))
	t.Cleanup(stop)
	done, err := archive.Restore(t.Context(), archive.Source{Archive: d.Reader(), Old: old}, to)
	if err != nil {
		t.Fatal(err)
	}
	return to, done
}

func compare(t *testing.T, s *eventstore.Store, r *audit.Reader) *archive.Comparison {
	t.Helper()
	c, err := archive.Compare(t.Context(), s, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestARestoredStreamIsTheArchivesToTheLastByte(t *testing.T) {
	d := archivetest.New(t, 3000)
	to, done := restore(t, d, nil)
	if want := (archive.Outcome{Archived: 3000, Following: archive.Following{Last: 3000}}); done != want {
		t.Errorf("the outcome is %+v, want %+v", done, want)
	}
	if c := compare(t, to, d.Reader()); !c.Agree() || c.Extra() != 0 || c.Ranges != nil {
		t.Errorf("they do not agree: %+v", c)
	}
	if err := to.Ensure(t.Context()); err != nil {
		t.Error(err)
	}
	// It goes on, and a log that follows the new stream is the old one's.
	if _, err := to.Append(t.Context(), archivetest.Event(1)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(d.Audit(), layout.SegmentFile(0)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log, seq := d.OpenLog(), uint64(0)
	var again []byte
	err = to.Follow(ctx, 0, func(batch []events.Recorded) error {
		for _, e := range batch {
			if e.Seq <= 3000 {
				again, err = layout.AppendLeaf(again, layout.Leaf{Seq: e.Seq, Received: e.Received, Subject: e.Subject, Event: e.Raw})
				again = append(again, '\n')
			}
			seq = e.Seq
		}
		if seq == 3001 {
			cancel()
		}
		return errors.Join(err, log.Append(batch))
	})
	if seq != 3001 || string(again) != string(whole) {
		t.Errorf("followed to %d (%v), and the leaves are others: %v", seq, err, string(again) != string(whole))
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatFollowsTheArchiveIsRestoredToo(t *testing.T) {
	d := archivetest.New(t, 100)
	d.Append(50)
	old, _, stop := archivetest.Open(t, d.Stream())
	last, err := old.Get(t.Context(), 121)
	if err != nil {
		t.Fatal(err)
	}
	to, done := restore(t, d, old)
	if done.Archived != 100 || done.Followed != 50 || done.Following.Left != 0 {
		t.Errorf("the outcome is %+v", done)
	}
	kept, err := to.Get(t.Context(), 121)
	if diff := cmp.Diff(last, kept); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	stop()

	// Up to what is lost.
	d.FlipID(last.Event.ID)
	d.Flip(100) // in the archive
	old, _, stop = archivetest.Open(t, d.Stream())
	defer stop()
	_, done = restore(t, d, old)
	if done.Followed != 20 || done.Following.Left != 30 || !strings.Contains(done.Following.Why, "121 is lost") {
		t.Errorf("the outcome is %+v", done)
	}
}

func TestAnotherHistoryIsNotPutBehindTheArchive(t *testing.T) {
	d, other := archivetest.New(t, 20), archivetest.New(t, 30)
	old, _, stop := archivetest.Open(t, other.Stream())
	defer stop()
	_, done := restore(t, d, old)
	if done.Followed != 0 || done.Following.Left != 10 || !strings.Contains(done.Following.Why, "another history") {
		t.Errorf("the outcome is %+v", done)
	}
}

func TestCompareSaysWhatDiffers(t *testing.T) {
	const n = 400
	for name, c := range map[string]struct {
		do   func(t *testing.T, d archivetest.Data)
		want archive.Comparison
	}{
		"nothing": {func(*testing.T, archivetest.Data) {}, archive.Comparison{Stream: n}},
		"lost": {func(t *testing.T, d archivetest.Data) { d.Flip(7); d.Flip(8); d.Flip(300) }, archive.Comparison{
			Stream: n, Lost: 3, Ranges: []archive.Range{{First: 7, Last: 8, Kind: archive.Lost}, {First: 300, Last: 300, Kind: archive.Lost}},
		}},
		"more than the archive": {func(t *testing.T, d archivetest.Data) { d.Append(10) }, archive.Comparison{Stream: n + 10}},
		"gone": {func(t *testing.T, d archivetest.Data) { goneBehind(t, d) }, archive.Comparison{
			Stream: n + 3, Lost: 1, Gone: 1, Ranges: []archive.Range{{First: n + 2, Last: n + 2, Kind: archive.Lost}},
		}},
		"no stream": {func(t *testing.T, d archivetest.Data) { remove(t, d.Stream()) }, archive.Comparison{
			Ranges: []archive.Range{{First: 1, Last: n, Kind: archive.EndsEarly}},
		}},
		"ends early": {func(t *testing.T, d archivetest.Data) { remade(t, d, n-5, nil) }, archive.Comparison{
			Stream: n - 5, Ranges: []archive.Range{{First: n - 4, Last: n, Kind: archive.EndsEarly}},
		}},
		"changed": {func(t *testing.T, d archivetest.Data) { remade(t, d, n, change) }, archive.Comparison{
			Stream: n, Changed: 4, Ranges: []archive.Range{
				{First: 10, Last: 11, Kind: archive.Changed, What: []string{"payload"}},
				{First: 12, Last: 12, Kind: archive.Changed, What: []string{"subject"}},
				{First: 200, Last: 200, Kind: archive.Changed, What: []string{"time"}},
			},
		}},
		"foreign": {func(t *testing.T, d archivetest.Data) { publish(t, d, "ledger.acme.revoked", "no event") }, archive.Comparison{
			Stream: n + 1, Foreign: 1, Ranges: []archive.Range{{First: n + 1, Last: n + 1, Kind: archive.Foreign}},
		}},
		"another's": {func(t *testing.T, d archivetest.Data) { replaceStream(t, d) }, archive.Comparison{
			Stream: n, Changed: n, Ranges: []archive.Range{{First: 1, Last: n, Kind: archive.Changed, What: []string{"payload", "time"}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := archivetest.New(t, n)
			c.do(t, d)
			s, _, stop := archivetest.Open(t, d.Stream())
			defer stop()
			got := compare(t, s, d.Reader())
			c.want.Archive = n
			if diff := cmp.Diff(c.want, *got); diff != "" {
				t.Error(diff)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// goneBehind loses an event that is not in the archive yet.
func goneBehind(t *testing.T, d archivetest.Data) {
	d.Append(3)
	s, _, stop := archivetest.Open(t, d.Stream())
	e, err := s.Get(t.Context(), 402)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	d.FlipID(e.Event.ID)
}

// change alters some events.
func change(e *events.Recorded) {
	switch e.Seq {
	case 10, 11:
		e.Raw = []byte(strings.Replace(string(e.Raw), "number", "Number", 1))
	case 12:
		e.Subject = "ledger.default.resumed"
	case 200:
		e.Received = e.Received.Add(time.Nanosecond)
	}
}

// remade puts another stream in the place: the first n events of the archive, altered.
func remade(t *testing.T, d archivetest.Data, n uint64, alter func(*events.Recorded)) {
	t.Helper()
	remove(t, d.Stream())
	s, _, stop := archivetest.Open(t, d.Stream())
	defer stop()
	w, err := s.CreateRestored(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= n; seq++ {
		e, err := d.Reader().Event(seq)
		if err != nil {
			t.Fatal(err)
		}
		if alter != nil {
			alter(&e)
		}
		if err := w.Append(t.Context(), []events.Recorded{e}); err != nil {
			t.Fatal(err)
		}
	}
}

func replaceStream(t *testing.T, d archivetest.Data) {
	remove(t, d.Stream())
	d.Append(400)
}

func publish(t *testing.T, d archivetest.Data, subject, data string) {
	t.Helper()
	_, nc, stop := archivetest.Open(t, d.Stream())
	defer stop()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

func TestManyFindingsAreBoundedAndCounted(t *testing.T) {
	const n = 4100
	d := archivetest.New(t, n)
	remove(t, d.Stream())
	s, _, stop := archivetest.Open(t, d.Stream())
	defer stop()
	w, err := s.CreateRestored(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	var evs []events.Recorded
	err = d.Reader().Leaves(1, n, func(seq uint64, leaf []byte) error {
		e, err := audit.Decode(new(events.Decoder), seq, leaf)
		if seq%2 == 0 {
			e.Received = e.Received.Add(1)
		}
		evs = append(evs, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t.Context(), evs); err != nil {
		t.Fatal(err)
	}
	c := compare(t, s, d.Reader())
	if len(c.Ranges) != archive.MaxRanges || c.Unlisted != n/2-archive.MaxRanges || c.Changed != n/2 {
		t.Errorf("%d ranges, %d unlisted, %d changed", len(c.Ranges), c.Unlisted, c.Changed)
	}
}

func TestARottenArchiveDoesNotBecomeTheStream(t *testing.T) {
	const n = 700
	for name, c := range map[string]struct {
		file  string
		at    int64
		names string
	}{
		"an entry":           {layout.SegmentFile(0), 5000, "entry for sequence"},
		"the last entry":     {layout.SegmentFile(0), -10, "entry for sequence 700"},
		"a leaf's hash":      {layout.TileFile(0), 40, "sequence 2"},
		"a tile above":       {layout.TileFile(1), 33, "place 1"},
		"where entries lie":  {layout.OffsetsFile, 8*300 + 7, ""},
		"the newest state":   {layout.StateFile, -1, ""}, // see below
		"another checkpoint": {"", 0, "the log was altered"},
	} {
		t.Run(name, func(t *testing.T) {
			d := archivetest.New(t, n)
			var checkpoint tlog.Tree
			switch {
			case c.file == "":
				tree, err := d.Reader().TreeAt(300)
				if err != nil {
					t.Fatal(err)
				}
				checkpoint = tree
				checkpoint.Hash[0] ^= 1
			case c.file == layout.StateFile:
				checkpoint = d.Reader().Tree()
				flip(t, filepath.Join(d.Audit(), c.file), stateSlot(t, d))
			default:
				flip(t, filepath.Join(d.Audit(), c.file), c.at)
			}
			to, _, stop := archivetest.Open(t, filepath.Join(t.TempDir(), "stream"))
			defer stop()
			_, err := archive.Restore(t.Context(), archive.Source{Archive: d.Reader(), Checkpoint: checkpoint}, to)
			if err == nil || !archive.IsDamage(err) || !strings.Contains(err.Error(), c.names) {
				t.Errorf("the error is %v, want one that says %q", err, c.names)
			}
			if _, err := to.State(t.Context()); !errors.Is(err, eventstore.ErrNoStream) {
				t.Errorf("there is a stream: %v", err)
			}
		})
	}
}

// stateSlot is where the newest state lies.
func stateSlot(t *testing.T, d archivetest.Data) int64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(d.Audit(), layout.StateFile))
	if err != nil {
		t.Fatal(err)
	}
	_, slot, err := layout.NewestState(raw)
	if err != nil {
		t.Fatal(err)
	}
	return int64(slot)*layout.SlotSize + 9
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += int64(len(raw))
	}
	raw[at] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheTreeIsThatOfAnotherImplementation(t *testing.T) {
	tree := &audit.Tree{}
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (all []tlog.Hash, _ error) {
		for _, i := range at {
			all = append(all, stored[i])
		}
		return all, nil
	})
	for i := range int64(600) {
		leaf := fmt.Appendf(nil, "leaf %d", i)
		hashes, err := tlog.StoredHashes(i, leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		tree.Push(tlog.RecordHash(leaf), nil)
		want, err := tlog.TreeHash(i+1, read)
		if err != nil || tree.Root() != want {
			t.Fatalf("the root of %d leaves is %s, want %s (%v)", i+1, tree.Root(), want, err)
		}
		again, err := audit.TreeOf(tree.State())
		if err != nil || again.Root() != want {
			t.Fatalf("taken up at %d: %v", i+1, err)
		}
	}
	s := tree.State()
	s.Edge[0][0] ^= 1
	if _, err := audit.TreeOf(s); err == nil {
		t.Error("a state that contradicts itself was taken")
	}
}
