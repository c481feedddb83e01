package projections_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// tally is a small projection with a row of every sort: the last sequence of each
// query (set), the number of events (merged), and all sequences that are not
// multiples of three (deleted behind them).
type tally struct {
	name      string
	version   uint32
	view      *projections.View
	loads     int
	committed func()
	refuse    func(events.Recorded) error
	holds     bool // count back until Flush
	held      uint64
}

func (p *tally) Name() string    { return p.name }
func (p *tally) Version() uint32 { return p.version }

func (p *tally) Load(v *projections.View) error {
	p.view = v
	p.loads++
	return nil
}

func (p *tally) Apply(w *projections.Writer, r events.Recorded) error {
	if p.refuse != nil {
		if err := p.refuse(r); err != nil {
			return err
		}
	}
	seq := binary.BigEndian.AppendUint64(nil, r.Seq)
	w.Set(append([]byte("seq/"), seq...), r.Raw)
	if r.Seq%3 == 0 {
		w.Delete(binary.BigEndian.AppendUint64([]byte("seq/"), r.Seq-1))
	}
	if p.held++; !p.holds {
		_ = p.Flush(w)
	}
	if d, ok := r.Event.Data.(*events.AuditRead); ok {
		w.Set([]byte("last/"+d.Query), seq)
		return nil
	}
	return projections.ErrUnknownType
}

func (p *tally) MergeValues(dst, older, newer []byte) ([]byte, error) {
	if len(older) != 8 || len(newer) != 8 {
		return nil, errors.New("not a count")
	}
	return binary.BigEndian.AppendUint64(dst, binary.BigEndian.Uint64(older)+binary.BigEndian.Uint64(newer)), nil
}

func (p *tally) Flush(w *projections.Writer) error {
	if p.held > 0 {
		w.Merge([]byte("count"), binary.BigEndian.AppendUint64(nil, p.held))
	}
	p.held = 0
	return nil
}

func (p *tally) Discarded() { p.held = 0 }
func (p *tally) Closed()    {}
func (p *tally) Committed() {
	if p.committed != nil {
		p.committed()
	}
}

// want gives the rows that a tally must have after the events up to seq.
func (p *tally) want(seq uint64) map[string]string {
	rows := map[string]string{}
	for s := uint64(1); s <= seq; s++ {
		r := event(s)
		key := string(binary.BigEndian.AppendUint64(nil, s))
		rows["seq/"+key] = string(r.Raw)
		if s%3 == 0 {
			delete(rows, "seq/"+string(binary.BigEndian.AppendUint64(nil, s-1)))
		}
		if d, ok := r.Event.Data.(*events.AuditRead); ok {
			rows["last/"+d.Query] = key
		}
		rows["count"] = string(binary.BigEndian.AppendUint64(nil, s))
	}
	return rows
}

// rows gives all rows of a view.
func rows(t testing.TB, v *projections.View) map[string]string {
	t.Helper()
	it, err := v.Iter(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		all[string(it.Key())] = string(value)
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func checkRows(t testing.TB, p *tally, seq uint64) {
	t.Helper()
	if got, want := rows(t, p.view), p.want(seq); !maps.Equal(got, want) {
		t.Fatalf("projection %q has %d rows that differ from the %d rows of the events up to %d", p.name, len(got), len(want), seq)
	}
}

// event makes the event at a sequence, always the same. Every seventh has a type
// that a tally does not know.
func event(seq uint64) events.Recorded {
	r := events.Recorded{
		Seq: seq,
		Raw: fmt.Appendf(nil, "event %d", seq),
		Event: events.Event{
			ID: ulid.ULID{15: byte(seq)}, Source: "/tokenledger/a", Tenant: "default",
			Time: time.Unix(int64(seq), 0).UTC(),
			Data: &events.AuditRead{Query: fmt.Sprint(seq % 5)},
		},
	}
	if seq%7 == 0 {
		r.Event.Data = &events.Unknown{Name: "tokenledger.token.sealed.v1"}
	}
	return r
}

// run gives the events from first to last.
func run(first, last uint64) []events.Recorded {
	var all []events.Recorded
	for s := first; s <= last; s++ {
		all = append(all, event(s))
	}
	return all
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t testing.TB, fs vfs.FS, ps ...projections.Projection) *projections.Runner {
	t.Helper()
	r, err := projections.OpenOn(fs, "store", quiet(), func(err error) { t.Errorf("the store failed: %v", err) }, ps...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, r) })
	return r
}

func shut(t testing.TB, r *projections.Runner) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, r *projections.Runner, first, last uint64) {
	t.Helper()
	if err := r.Apply(run(first, last)); err != nil {
		t.Fatal(err)
	}
}

func seqKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("seq/"), seq)
}

// flipTables inverts a byte in every 2,000 of the store's tables.
func flipTables(t *testing.T, fs vfs.FS) {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.OpenReadWrite(fs.PathJoin("store", name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		// The first block, with the store's own rows, and the end, with the footer and
		// the properties, are left alone: so the store opens.
		for at := int64(12000); at < info.Size()*3/4; at += 2000 {
			if _, err := f.ReadAt(b[:], at); err != nil {
				t.Fatal(err)
			}
			b[0] ^= 0xff
			if _, err := f.WriteAt(b[:], at); err != nil {
				t.Fatal(err)
			}
			flipped++
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if flipped == 0 {
		t.Fatal("the store has no tables")
	}
}
