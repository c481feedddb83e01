package tokens_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// However the events come in, in batches of any size, again and again, over restarts
// and rebuilds, every row is the same.
func TestReplayEqualsIncremental(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		past := drawPast(rt, 120)
		whole := newLedger(t)
		whole.apply(past)

		parts := newLedger(t)
		for parts.runner.From() < uint64(len(past)) {
			from := parts.runner.From()
			back := uint64(rapid.IntRange(0, int(min(from, 20))).Draw(rt, "repeats"))
			to := min(from+uint64(rapid.IntRange(1, 30).Draw(rt, "batch")), uint64(len(past)))
			parts.apply(past[from-back : to])
			switch rapid.IntRange(0, 19).Draw(rt, "then") {
			case 0:
				parts.restart()
			case 1:
				if rapid.Bool().Draw(rt, "rebuild") {
					if err := parts.runner.Rebuild(); err != nil {
						rt.Fatal(err)
					}
				}
			}
		}
		if diff := gocmp.Diff(whole.dump(), parts.dump()); diff != "" {
			rt.Fatalf("rows differ (-whole +parts):\n%s", diff)
		}
	})
}

// What is read is what a plain model makes of the same events.
func TestReadsEqualModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		past := drawPast(rt, 60)
		l := newLedger(t)
		for batch := range slices.Chunk(past, rapid.IntRange(1, 50).Draw(rt, "batch")) {
			l.apply(batch)
		}
		m := modelOf(past)
		var all []tokens.Record
		for n := range 14 {
			got, found, err := l.Record(id(n))
			want, known := m.tokens[n]
			if err != nil || found != known {
				rt.Fatalf("token %d: found %v, known %v, error %v", n, found, known, err)
			}
			equal(rt, fmt.Sprint("record ", n), want, got)
			for range 2 { // from the store, then from the cache
				c, found, err := l.Credential(id(n))
				if err != nil || found != known {
					rt.Fatalf("credential %d: found %v, known %v, error %v", n, found, known, err)
				}
				equal(rt, fmt.Sprint("credential ", n), want.Credential(), c)
			}
			if known {
				all = append(all, want)
				if want.Imported {
					if _, found, err := l.ByHash(want.Hash); err != nil || !found {
						rt.Fatalf("imported token %d is not found by its hash: %v", n, err)
					}
				}
			}
			seqs, err := l.History(id(n), 0, 0)
			if err != nil {
				rt.Fatal(err)
			}
			equal(rt, fmt.Sprint("history ", n), m.history[n], seqs)
			if len(seqs) > 2 {
				part, err := l.History(id(n), seqs[0], 1)
				if err != nil {
					rt.Fatal(err)
				}
				equal(rt, "part of the history", seqs[1:2], part)
			}
			// The record is the fold of its history.
			folded := tokens.Token{ID: id(n)}
			for _, seq := range seqs {
				folded.Fold(past[seq-1])
			}
			if folded.CreatedSeq == 0 {
				folded = tokens.Token{}
			}
			equal(rt, fmt.Sprint("fold of the history of ", n), want.Token, folded)
		}
		for _, key := range []string{"k1", "k2"} {
			got, err := l.Answered("acme", key, 1000)
			if err != nil {
				rt.Fatal(err)
			}
			equal(rt, "idempotency "+key, m.answered[key], got)
			n, last, err := l.AnsweredTotal("acme", key)
			if err != nil || n != len(got) || n > 0 && last != got[n-1].Seq {
				rt.Fatalf("idempotency %s: %d events, the last at %d, %v; want %v", key, n, last, err, got)
			}
			for _, want := range got {
				if at, ok, err := l.AnsweredAt("acme", key, want.Seq); err != nil || !ok || at != want {
					rt.Fatalf("idempotency %s at %d: %+v, %v, %v", key, want.Seq, at, ok, err)
				}
				if few, err := l.Answered("acme", key, 1); err != nil || len(few) != 1 || few[0] != got[0] {
					rt.Fatalf("idempotency %s, the first alone: %v, %v", key, few, err)
				}
			}
			if _, ok, err := l.AnsweredAt("acme", key, 1<<40); err != nil || ok {
				rt.Fatalf("idempotency %s where there is no event: %v, %v", key, ok, err)
			}
		}
		for range 10 {
			q := drawQuery(rt)
			want := slices.DeleteFunc(slices.Clone(all), func(r tokens.Record) bool { return !m.asked(q, r) })
			byExpiry := inOrderOfExpiry(q)
			slices.SortFunc(want, func(a, b tokens.Record) int {
				if byExpiry {
					return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), a.ID.Compare(b.ID))
				}
				return a.ID.Compare(b.ID)
			})
			equal(rt, fmt.Sprintf("list of %+v", q), want, listAll(rt, l, q))
		}
	})
}

func equal(t *rapid.T, what string, want, got any) {
	t.Helper()
	opts := gocmp.Options{cmpopts.EquateEmpty(), gocmp.Comparer(prefixEqual)}
	if diff := gocmp.Diff(want, got, opts); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func drawQuery(t *rapid.T) tokens.Query {
	word := rapid.SampledFrom([]string{"", "", "a", "b", "shop.example.com", "line\x00end", string(make([]byte, 150))})
	minute := func(what string) time.Time {
		if rapid.IntRange(0, 2).Draw(t, what) > 0 {
			return time.Time{}
		}
		return at(uint64(rapid.IntRange(0, 500).Draw(t, "minute")))
	}
	q := tokens.Query{
		Tenant: "acme", Site: word.Draw(t, "site"), Owner: word.Draw(t, "owner"),
		Name:   rapid.SampledFrom([]string{"", "", "SHOP", "éc", "none"}).Draw(t, "name"),
		Status: rapid.SampledFrom(append(tokens.Statuses(), "", "", "")).Draw(t, "status"),
		Scope:  rapid.SampledFrom([]string{"", "", "orders:read", "orders"}).Draw(t, "scope"),
		Now:    at(uint64(rapid.IntRange(0, 500).Draw(t, "now"))),

		UnusedSince: minute("unused"), ExpiresBefore: minute("expires"),
		Limit: rapid.IntRange(1, 5).Draw(t, "limit"),
	}
	if rapid.IntRange(0, 5).Draw(t, "all tenants") == 0 {
		q.Tenant, q.AllTenants = "", true
	}
	return q
}

// listAll walks through all pages.
func listAll(t *rapid.T, l *ledger, q tokens.Query) []tokens.Record {
	t.Helper()
	l.LimitScan(rapid.IntRange(1, 20).Draw(t, "scan"))
	var all []tokens.Record
	for {
		page, err := l.List(q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Tokens) > q.Limit {
			t.Fatalf("a page of %d has %d tokens", q.Limit, len(page.Tokens))
		}
		all = append(all, page.Tokens...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

// model is what the events mean, said as plainly as can be.
type model struct {
	tokens   map[int]tokens.Record
	history  map[int][]uint64
	answered map[string][]tokens.Answered
}

func modelOf(past []events.Recorded) *model {
	m := &model{tokens: map[int]tokens.Record{}, history: map[int][]uint64{}, answered: map[string][]tokens.Answered{}}
	numbers := map[string]int{}
	for n := range 14 {
		numbers[id(n).String()] = n
	}
	journal := map[string]uint64{}
	usage := map[int]tokens.Usage{}
	for _, r := range past {
		var ids []string
		see := func(a events.About) { ids = append(ids, a.TokenID.String()) }
		switch d := r.Event.Data.(type) {
		case *events.TokenGenerated:
			see(d.About)
			n := numbers[d.TokenID.String()]
			if _, known := m.tokens[n]; known {
				break
			}
			var rec tokens.Record
			rec.Fold(r)
			m.tokens[n] = rec
			if from, ok := numbers[d.RotatedFrom.String()]; ok && from != n && !d.RotatedFrom.IsZero() {
				ids = append(ids, d.RotatedFrom.String())
				m.fold(from, r)
			}
		case *events.TokenRevoked:
			see(d.About)
			m.fold(numbers[d.TokenID.String()], r)
		case *events.TokenUpdated:
			see(d.About)
			m.fold(numbers[d.TokenID.String()], r)
		case *events.TokenSuspended:
			see(d.About)
			m.fold(numbers[d.TokenID.String()], r)
		case *events.TokenResumed:
			see(d.About)
			m.fold(numbers[d.TokenID.String()], r)
		case *events.TokenUsed:
			if d.JournalPos <= journal[d.Node] {
				continue
			}
			journal[d.Node] = d.JournalPos
			see(d.About)
			n := numbers[d.TokenID.String()]
			u := usage[n]
			u.UseCount += d.Count
			if !d.LastAt.Before(u.LastUsedAt) {
				u.LastUsedAt, u.LastUsedIP = d.LastAt, d.IP
			}
			usage[n] = u
		case *events.TokenRejected:
			if d.JournalPos <= journal[d.Node] {
				continue
			}
			journal[d.Node] = d.JournalPos
			see(d.About)
		case *events.AuditRead:
			see(d.About)
		case *events.TokenLeaked:
			see(d.About)
		case *events.Unknown:
			ids = append(ids, r.Event.Subject)
		}
		for _, s := range ids {
			m.history[numbers[s]] = append(m.history[numbers[s]], r.Seq)
		}
		if key := r.Event.Idempotency.Key; key != "" {
			a := tokens.Answered{Seq: r.Seq, Request: r.Event.Idempotency.Request}
			if len(ids) > 0 {
				a.TokenID = id(numbers[ids[0]])
			}
			m.answered[key] = append(m.answered[key], a)
		}
	}
	for n, rec := range m.tokens {
		rec.Usage = usage[n]
		m.tokens[n] = rec
	}
	return m
}

func (m *model) fold(n int, r events.Recorded) {
	if rec, known := m.tokens[n]; known {
		rec.Fold(r)
		m.tokens[n] = rec
	}
}

func (m *model) asked(q tokens.Query, r tokens.Record) bool {
	last := r.LastUsedAt
	if last.IsZero() {
		last = r.CreatedAt
	}
	return (q.Site == "" || r.Site == q.Site) &&
		(q.Owner == "" || r.Owner == q.Owner) &&
		strings.Contains(strings.ToLower(r.Name), strings.ToLower(q.Name)) &&
		(q.Status == "" || r.Status(q.Now) == q.Status) &&
		(q.Scope == "" || slices.Contains(r.Scopes, q.Scope)) &&
		(q.UnusedSince.IsZero() || last.Before(q.UnusedSince)) &&
		(q.ExpiresBefore.IsZero() || !r.ExpiresAt.IsZero() && r.ExpiresAt.Before(q.ExpiresBefore))
}

// inOrderOfExpiry is what List promises about its order.
func inOrderOfExpiry(q tokens.Query) bool {
	return !q.AllTenants && q.Site == "" && q.Owner == "" &&
		q.Status != tokens.StatusRevoked && q.Status != tokens.StatusSuspended &&
		(!q.ExpiresBefore.IsZero() || q.Status == tokens.StatusExpired)
}

func prefixEqual(a, b netip.Prefix) bool { return a == b }
