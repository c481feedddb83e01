package tokens_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/projections/tokens"
)

// A walk gives, of every region, the tokens that a look at each record gives.
func TestWalkGivesTheRegionsTokens(t *testing.T) {
	l := newLedger(t)
	rapid.Check(t, func(rt *rapid.T) {
		past := drawPast(rt, 80)
		for i := range past {
			past[i].Event.Tenant = rapid.SampledFrom([]string{"acme", "acme-2", "b"}).Draw(rt, "tenant")
		}
		l.close()
		l.fs = vfs.NewMem()
		l.open()
		l.apply(past)
		var g tokens.Region
		if g.AllTenants = rapid.IntRange(0, 3).Draw(rt, "all") == 0; !g.AllTenants {
			g.Tenant = rapid.SampledFrom([]string{"acme", "acme-2", "b", "c"}).Draw(rt, "of")
			g.Site = rapid.SampledFrom([]string{"", "", "a", "shop.example.com"}).Draw(rt, "site")
		}
		if rapid.Bool().Draw(rt, "from") {
			g.From = id(rapid.IntRange(0, 12).Draw(rt, "first"))
		}
		if rapid.Bool().Draw(rt, "to") {
			g.To = id(rapid.IntRange(0, 12).Draw(rt, "last"))
		}
		g.Then = rapid.Uint64Range(0, uint64(len(past))).Draw(rt, "then")
		var want []tokens.Token
		for n := range 13 {
			tok, found, err := l.Token(id(n))
			if err != nil {
				rt.Fatal(err)
			}
			if found && (g.AllTenants || tok.Tenant == g.Tenant && (g.Site == "" || tok.Site == g.Site)) &&
				bytes.Compare(tok.ID[:], g.From[:]) >= 0 && (g.To.IsZero() || bytes.Compare(tok.ID[:], g.To[:]) <= 0) {
				want = append(want, tok)
			}
		}
		now := at(uint64(rapid.IntRange(0, 500).Draw(rt, "now")))
		i := 0
		err := l.Walk(g, func(got *tokens.Glance) (bool, error) {
			if i >= len(want) {
				rt.Fatalf("%+v has more than %d tokens: %+v", g, len(want), got)
			}
			w := want[i]
			i++
			if got.ID != w.ID || got.Tenant != w.Tenant || got.Site != w.Site || got.Owner != w.Owner || got.Seq != w.Seq ||
				got.CreatedSeq != w.CreatedSeq || got.Status(now) != w.Status(now) || got.HasScope("orders:write") != w.HasScope("orders:write") {
				rt.Fatalf("%+v: %s", got, cmp.Diff(w, got))
			}
			changes, err := l.Changes(w.ID, g.Then)
			if err != nil {
				rt.Fatal(err)
			}
			if was := w.Seq > g.Then && w.CreatedSeq <= g.Then && len(changes) == 1; got.AsGenerated != was {
				rt.Fatalf("%+v as of %d: had %d", got, g.Then, changes)
			}
			return true, nil
		})
		if err != nil || i != len(want) {
			rt.Fatalf("%+v gives %d of %d tokens: %v", g, i, len(want), err)
		}
		first, last, found, err := l.Bounds(g)
		if err != nil || found != (len(want) > 0) {
			rt.Fatalf("%v, %v", found, err)
		}
		if found && !slices.Equal([]ulid.ULID{first, last}, []ulid.ULID{want[0].ID, want[len(want)-1].ID}) {
			rt.Fatalf("%+v reaches from %v to %v", g, first, last)
		}
	})
}
