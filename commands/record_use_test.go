package commands

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/events"
)

var useTime = time.Date(2026, 3, 2, 10, 14, 0, 123_456_789, time.UTC)

func usedToken(n byte) ulid.ULID { return ulid.ULID{0: 1, 15: n} }

// countingIDs gives ids that differ in their last bytes.
func countingIDs() func(time.Time) ulid.ULID {
	var n byte
	return func(t time.Time) ulid.ULID {
		n++
		id := ulid.ULID{15: n}
		_ = id.SetTime(ulid.Timestamp(t))
		return id
	}
}

func TestAWindowCoalescesUsesThatAgreeInAllButTheirTime(t *testing.T) {
	base := Use{
		At: useTime, Tenant: "acme", TokenID: usedToken(1),
		Actor: events.Actor{Type: "token", ID: "01A", Name: "gateway", TokenID: usedToken(9)},
		IP:    "192.0.2.7", UserAgent: "curl/8", Site: "shop", Resource: "/orders", Scopes: []string{"orders:read", "x"},
	}
	later := base
	later.At = useTime.Add(3 * time.Second)
	earlier := base
	earlier.At = useTime.Add(-time.Second)

	w := NewUseWindow(maphash.MakeSeed())
	for i, u := range []Use{base, later, earlier} {
		if err := w.Add(uint64(10+i), u); err != nil {
			t.Fatal(err)
		}
	}
	got := slices.Collect(w.Events(0, "n1", "/tokenledger/n1", countingIDs()))

	ms := useTime.Truncate(time.Millisecond)
	id := ulid.ULID{15: 1}
	_ = id.SetTime(ulid.Timestamp(later.At))
	want := []events.Event{{
		ID: id, Source: "/tokenledger/n1", Subject: base.TokenID.String(), Time: ms.Add(3 * time.Second), Tenant: "acme",
		Data: &events.TokenUsed{Use: events.Use{
			About: events.About{TokenID: base.TokenID, Actor: base.Actor},
			Count: 3, FirstAt: ms.Add(-time.Second), LastAt: ms.Add(3 * time.Second),
			IP: "192.0.2.7", UserAgent: "curl/8", Site: "shop", Resource: "/orders", Scopes: []string{"orders:read", "x"},
			Node: "n1", JournalPos: 12,
		}},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(ulid.ULID{})); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if w.Len() != 1 || w.Uses() != 3 || !w.First().Equal(ms.Add(-time.Second)) {
		t.Errorf("window has %d events, %d uses, first %v", w.Len(), w.Uses(), w.First())
	}
}

func TestAWindowKeepsApartWhatDiffersInAnyField(t *testing.T) {
	base := Use{
		At: useTime, Tenant: "acme", TokenID: usedToken(1), Reason: "revoked",
		Actor: events.Actor{Type: "token", ID: "a", Name: "n", TokenID: usedToken(9)},
		IP:    "i", UserAgent: "u", Site: "s", Resource: "r", Scopes: []string{"a", "b"},
	}
	changes := map[string]func(*Use){
		"tenant":         func(u *Use) { u.Tenant = "other" },
		"token":          func(u *Use) { u.TokenID = usedToken(2) },
		"no token":       func(u *Use) { u.TokenID = ulid.ULID{} },
		"reason":         func(u *Use) { u.Reason = "" },
		"actor type":     func(u *Use) { u.Actor.Type = "system" },
		"actor id":       func(u *Use) { u.Actor.ID = "b" },
		"actor name":     func(u *Use) { u.Actor.Name = "m" },
		"actor token":    func(u *Use) { u.Actor.TokenID = usedToken(8) },
		"ip":             func(u *Use) { u.IP = "j" },
		"user agent":     func(u *Use) { u.UserAgent = "v" },
		"site":           func(u *Use) { u.Site = "t" },
		"resource":       func(u *Use) { u.Resource = "q" },
		"fields shifted": func(u *Use) { u.Site, u.Resource = "", "sr" },
		"scopes":         func(u *Use) { u.Scopes = []string{"a", "c"} },
		"scopes joined":  func(u *Use) { u.Scopes = []string{"ab"} },
		"order of them":  func(u *Use) { u.Scopes = []string{"b", "a"} },
		"no scopes":      func(u *Use) { u.Scopes = nil },
	}
	w := NewUseWindow(maphash.MakeSeed())
	pos := uint64(1)
	if err := w.Add(pos, base); err != nil {
		t.Fatal(err)
	}
	for name, change := range changes {
		u := base
		u.Scopes = slices.Clone(base.Scopes)
		change(&u)
		pos++
		if err := w.Add(pos, u); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.Len() != int(pos) {
			t.Errorf("a use that differs in %s was counted to another", name)
			pos = uint64(w.Len())
		}
	}
	for e := range w.Events(0, "n1", "/tokenledger/n1", countingIDs()) {
		if _, err := events.Encode(e); err != nil {
			t.Errorf("an event of the window does not encode: %v", err)
		}
	}
}

func TestWhatCannotBecomeAnEventIsRefusedBeforeItIsCounted(t *testing.T) {
	good := Use{At: useTime, Tenant: "acme", TokenID: usedToken(1)}
	tests := map[string]func(*Use){
		"tenant":     func(u *Use) { u.Tenant = "No Tenant" },
		"token_id":   func(u *Use) { u.TokenID = ulid.ULID{} },
		"at":         func(u *Use) { u.At = time.Time{} },
		"as a whole": func(u *Use) { u.UserAgent = strings.Repeat("x", MaxUseSize) },
	}
	w := NewUseWindow(maphash.MakeSeed())
	for field, change := range tests {
		u := good
		change(&u)
		err := w.Add(1, u)
		if ue, ok := errors.AsType[*UseError](err); !ok || ue.Field != field {
			t.Errorf("a use with a bad %s gave %v", field, err)
		}
	}
	if w.Len() != 0 {
		t.Errorf("%d refused uses were counted", w.Len())
	}

	worst := good
	worst.UserAgent = strings.Repeat("\x01", MaxUseSize-200)
	if err := w.Add(1, worst); err != nil {
		t.Fatal(err)
	}
	for e := range w.Events(0, "n1", "/tokenledger/n1", countingIDs()) {
		if _, err := events.Encode(e); err != nil {
			t.Errorf("the largest use that is taken does not encode: %v", err)
		}
	}
}

// plainCount is what a key has in the model that the properties compare with.
type plainCount struct {
	Count, Pos  uint64
	First, Last int64
}

func plainKey(u Use) string {
	return fmt.Sprintf("%q", []any{u.Tenant, u.TokenID, u.Reason, u.Actor, u.IP, u.UserAgent, u.Site, u.Resource, u.Scopes})
}

func drawUse(t *rapid.T) Use {
	text := rapid.SampledFrom([]string{"", "a", "b", "ab", "\xff", strings.Repeat("long", 60)})
	return Use{
		At:        time.UnixMilli(rapid.Int64Range(1, 1<<41).Draw(t, "at")),
		Tenant:    rapid.SampledFrom([]string{"acme", "default"}).Draw(t, "tenant"),
		TokenID:   usedToken(byte(rapid.IntRange(0, 3).Draw(t, "token"))),
		Reason:    rapid.SampledFrom([]string{"", "revoked", "unknown"}).Draw(t, "reason"),
		Actor:     events.Actor{Type: "token", Name: text.Draw(t, "actor")},
		IP:        text.Draw(t, "ip"),
		UserAgent: text.Draw(t, "user agent"),
		Site:      text.Draw(t, "site"),
		Resource:  text.Draw(t, "resource"),
		Scopes:    rapid.SampledFrom([][]string{nil, {"a"}, {"a", "b"}}).Draw(t, "scopes"),
	}
}

func TestAWindowAndItsEntriesReadBackCountAsAPlainMapDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uses := rapid.SliceOfN(rapid.Custom(drawUse), 0, 300).Draw(t, "uses")
		after := uint64(rapid.IntRange(0, len(uses)).Draw(t, "after"))
		base := rapid.Int64Range(1, 1<<41).Draw(t, "base")
		seed := maphash.MakeSeed()
		live, plain := NewUseWindow(seed), map[string]plainCount{}
		var (
			journal []byte
			encoded EncodedUse
		)
		for i, u := range uses {
			pos := uint64(i + 1)
			if err := encoded.Set(seed, &u); err != nil {
				t.Fatal(err)
			}
			before := len(journal)
			journal = live.AppendEntry(journal, base, &encoded)
			if n := len(journal) - before; n > encoded.Size() {
				t.Fatalf("an entry has %d bytes, more than its Size of %d", n, encoded.Size())
			}
			live.AddEncoded(pos, &encoded)
			p, seen := plain[plainKey(u)]
			at := u.At.UnixMilli()
			if !seen || at < p.First {
				p.First = at
			}
			p.Last = max(p.Last, at)
			p.Count++
			p.Pos = pos
			plain[plainKey(u)] = p
		}
		again := NewUseWindow(maphash.MakeSeed())
		rest := journal
		for i := range uses {
			var err error
			if rest, err = again.ReadEntry(uint64(i+1), base, rest); err != nil {
				t.Fatal(err)
			}
		}
		if len(rest) != 0 {
			t.Fatalf("%d bytes are left after all entries", len(rest))
		}
		for name, w := range map[string]*UseWindow{"live": live, "read back": again} {
			got, last := map[string]plainCount{}, after
			for e := range w.Events(after, "n1", "/tokenledger/n1", countingIDs()) {
				u, reason := useOfEvent(e)
				if u.JournalPos <= last {
					t.Fatalf("%s: position %d comes after %d", name, u.JournalPos, last)
				}
				last = u.JournalPos
				key := plainKey(Use{Tenant: e.Tenant, TokenID: u.TokenID, Reason: reason, Actor: u.Actor,
					IP: u.IP, UserAgent: u.UserAgent, Site: u.Site, Resource: u.Resource, Scopes: u.Scopes})
				got[key] = plainCount{u.Count, u.JournalPos, u.FirstAt.UnixMilli(), u.LastAt.UnixMilli()}
			}
			want := map[string]plainCount{}
			for k, p := range plain {
				if p.Pos > after {
					want[k] = p
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s window (-want +got):\n%s", name, diff)
			}
		}
	})
}

func useOfEvent(e events.Event) (events.Use, string) {
	switch d := e.Data.(type) {
	case *events.TokenUsed:
		return d.Use, ""
	case *events.TokenRejected:
		return d.Use, d.Reason
	}
	panic(fmt.Sprintf("an event of type %s", e.Data.Type()))
}

func FuzzReadEntry(f *testing.F) {
	seed := maphash.MakeSeed()
	w := NewUseWindow(seed)
	var (
		e       EncodedUse
		journal []byte
	)
	for i := range byte(3) {
		u := Use{At: useTime, Tenant: "acme", TokenID: usedToken(1 + i%2), Scopes: []string{"a"}}
		if err := e.Set(seed, &u); err != nil {
			f.Fatal(err)
		}
		journal = w.AppendEntry(journal, 0, &e)
		w.AddEncoded(uint64(i+1), &e)
	}
	f.Add(journal)
	f.Fuzz(func(t *testing.T, b []byte) {
		w := NewUseWindow(seed)
		for pos := uint64(1); len(b) > 0; pos++ {
			tail, err := w.ReadEntry(pos, 0, b)
			if err != nil {
				return
			}
			if len(tail) >= len(b) {
				t.Fatal("an entry took no bytes")
			}
			b = tail
		}
		n := 0
		for range w.Events(0, "n", "/tokenledger/n", countingIDs()) {
			n++
		}
		if n != w.Len() {
			t.Fatalf("%d events of a window of %d", n, w.Len())
		}
	})
}

// benchUse is a use as an API gateway reports it.
func benchUse(n uint64) Use {
	u := Use{
		At: useTime, Tenant: "acme",
		Actor: events.Actor{Type: "token", ID: "01JQ0000000000000000000001", Name: "edge-gateway", TokenID: usedToken(9)},
		IP:    "203.0.113.77", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		Site: "shop.example.com", Resource: "/v2/orders/recent", Scopes: []string{"orders:read", "orders:write"},
	}
	binary.BigEndian.PutUint64(u.TokenID[8:], n)
	return u
}

func BenchmarkUseWindowAdd(b *testing.B) {
	run := func(name string, keys uint64) {
		b.Run(name, func(b *testing.B) {
			w, pos := NewUseWindow(maphash.MakeSeed()), uint64(0)
			b.ReportAllocs()
			u := benchUse(1)
			for b.Loop() {
				pos++
				if keys > 1 {
					binary.BigEndian.PutUint64(u.TokenID[8:], 1+rand.Uint64N(keys))
				}
				if err := w.Add(pos, u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("known key", 1)
	run("random of 1 M", 1_000_000)
	b.Run("new key", func(b *testing.B) {
		w, pos, u := NewUseWindow(maphash.MakeSeed()), uint64(0), benchUse(1)
		b.ReportAllocs()
		for b.Loop() {
			if pos++; pos%1_000_000 == 0 {
				w = NewUseWindow(maphash.MakeSeed())
			}
			binary.BigEndian.PutUint64(u.TokenID[8:], pos)
			if err := w.Add(pos, u); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkUseWindowMemory(b *testing.B) {
	const keys = 1_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		w := NewUseWindow(maphash.MakeSeed())
		for i := range uint64(keys) {
			if err := w.Add(i+1, benchUse(i+1)); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/keys, "B/key")
		b.ReportMetric(float64(w.Size())/keys, "Size/key")
	}
}
