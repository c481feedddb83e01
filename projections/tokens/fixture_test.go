package tokens_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

var epoch = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// at is the time of an event.
func at(seq uint64) time.Time { return epoch.Add(time.Duration(seq) * time.Minute) }

// id makes a token's id, in order of n.
func id(n int) (id ulid.ULID) {
	_ = id.SetTime(uint64(epoch.UnixMilli()) + uint64(n))
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

func about(n int) events.About {
	return events.About{TokenID: id(n), Actor: events.Actor{Type: "token", TokenID: id(0)}}
}

// ledger is a projection in a store, with the events it was given.
type ledger struct {
	t      testing.TB
	fs     vfs.FS
	p      *spy
	runner *projections.Runner
	*tokens.Reader
	seq  uint64
	past []events.Recorded
}

// spy keeps the view that the runner hands to the projection.
type spy struct {
	*tokens.Projection
	view *projections.View
}

func (s *spy) Load(v *projections.View) error {
	s.view = v
	return s.Projection.Load(v)
}

func newLedger(t testing.TB) *ledger {
	t.Helper()
	l := &ledger{t: t, fs: vfs.NewMem()}
	l.open()
	t.Cleanup(l.close)
	return l
}

func (l *ledger) open() {
	l.t.Helper()
	// A cache so small that tokens are driven out of it.
	l.p = &spy{Projection: tokens.New(tokens.Config{CacheBytes: 1 << 20})}
	r, err := projections.OpenOn(l.fs, "store", slog.New(slog.DiscardHandler), func(err error) { l.t.Errorf("the store failed: %v", err) }, l.p)
	if err != nil {
		l.t.Fatal(err)
	}
	l.runner, l.Reader = r, l.p.Reader()
}

func (l *ledger) close() {
	if err := l.runner.Close(); err != nil {
		l.t.Errorf("close: %v", err)
	}
}

func (l *ledger) restart() {
	l.t.Helper()
	l.close()
	l.open()
}

// record puts data into the ledger without applying it.
func (l *ledger) record(data events.Data) events.Recorded {
	l.seq++
	r := recorded(l.seq, data)
	l.past = append(l.past, r)
	return r
}

func recorded(seq uint64, data events.Data) events.Recorded {
	e := events.Event{ID: id(int(seq) + 1e6), Source: "/tokenledger/a", Time: at(seq), Tenant: "acme", Data: data}
	return events.Recorded{Seq: seq, Received: at(seq), Raw: fmt.Appendf(nil, "event %d", seq), Event: e}
}

// tell applies events, all in one batch.
func (l *ledger) tell(all ...events.Data) {
	l.t.Helper()
	var batch []events.Recorded
	for _, d := range all {
		batch = append(batch, l.record(d))
	}
	l.apply(batch)
}

func (l *ledger) apply(batch []events.Recorded) {
	l.t.Helper()
	if err := l.runner.Apply(batch); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) token(n int) tokens.Token {
	l.t.Helper()
	t, found, err := l.Token(id(n))
	if err != nil || !found {
		l.t.Fatalf("token %d: found %v, error %v", n, found, err)
	}
	return t
}

// dump gives every row.
func (l *ledger) dump() map[string]string {
	l.t.Helper()
	it, err := l.p.view.Iter(nil, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	all := map[string]string{}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if err != nil {
			l.t.Fatal(err)
		}
		all[fmt.Sprintf("%q", it.Key())] = fmt.Sprintf("%q", v)
	}
	if err := it.Close(); err != nil {
		l.t.Fatal(err)
	}
	return all
}

func generated(n int) *events.TokenGenerated {
	return &events.TokenGenerated{About: about(n), Name: fmt.Sprintf("Token %d", n), SHA256: sha256.Sum256(fmt.Append(nil, n))}
}

func revoked(n int, effective time.Time) *events.TokenRevoked {
	return &events.TokenRevoked{About: about(n), EffectiveAt: effective, ReasonCode: events.ReasonLeaked, Reason: "seen in a log"}
}

func used(n int, count uint64, last time.Time, node string, pos uint64) *events.TokenUsed {
	return &events.TokenUsed{Use: events.Use{About: about(n), Count: count, FirstAt: last, LastAt: last, IP: fmt.Sprint("203.0.113.", pos%200), Node: node, JournalPos: pos}}
}

// story draws events as a ledger, and a careless one, would have them: tokens that
// are not known, repeats of the journal, revocations in any order of time.
type story struct {
	pos map[string]uint64
	n   int // ids in play
}

func (s *story) draw(t *rapid.T) events.Data {
	n := rapid.IntRange(0, s.n).Draw(t, "token")
	a := about(n)
	when := at(uint64(rapid.IntRange(0, 500).Draw(t, "minute")))
	word := rapid.SampledFrom([]string{"", "a", "b", "shop.example.com", "line\x00end", string(make([]byte, 150))})
	switch rapid.IntRange(0, 11).Draw(t, "event") {
	case 0, 1, 2:
		d := generated(n)
		d.Name = rapid.SampledFrom([]string{"Shop", "shop two", "Éclair", "x"}).Draw(t, "name")
		d.Site, d.Owner = word.Draw(t, "site"), word.Draw(t, "owner")
		d.Scopes = rapid.SampledFrom([][]string{nil, {"orders:read"}, {"orders:read", "orders:write"}, {tokens.ScopeRoot}}).Draw(t, "scopes")
		if rapid.Bool().Draw(t, "expires") {
			d.ExpiresAt = when
		}
		if rapid.IntRange(0, 3).Draw(t, "not before") == 0 {
			d.NotBefore = when.Add(-time.Hour)
		}
		if rapid.IntRange(0, 3).Draw(t, "rotated") == 0 {
			d.RotatedFrom = id(rapid.IntRange(0, s.n).Draw(t, "from"))
		}
		if d.Imported = rapid.IntRange(0, 3).Draw(t, "imported") == 0; d.Imported {
			d.AllowedCIDRs = []string{"10.0.0.0/8", "nonsense"}
			d.Metadata = map[string]string{"b": "2", "a": "1"}
		}
		if rapid.IntRange(0, 3).Draw(t, "session") == 0 {
			d.Person = events.Person{Issuer: "https://id.example", Subject: word.Draw(t, "subject") + "1"}
		}
		return d
	case 3, 4, 5:
		node := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node")
		pos := s.pos[node] + 1
		if rapid.IntRange(0, 3).Draw(t, "repeat") == 0 {
			pos = max(1, s.pos[node])
		}
		s.pos[node] = max(pos, s.pos[node])
		use := used(n, uint64(rapid.IntRange(1, 9).Draw(t, "count")), when, node, pos).Use
		if rapid.IntRange(0, 3).Draw(t, "rejected") == 0 {
			return &events.TokenRejected{Use: use, Reason: "revoked"}
		}
		return &events.TokenUsed{Use: use}
	case 6, 7:
		return revoked(n, when)
	case 8:
		owner, name := word.Draw(t, "new owner"), "renamed"
		return &events.TokenUpdated{About: a, Owner: &owner, Name: &name}
	case 9:
		return &events.TokenSuspended{About: a, Reason: "looked at"}
	case 10:
		return &events.TokenResumed{About: a}
	}
	return rapid.SampledFrom([]events.Data{
		&events.LedgerCreated{LedgerID: id(5), LogOrigin: "o", PublicKey: "k"},
		&events.AuditRead{About: a, Query: "q"},
		&events.TokenLeaked{About: a, Source: "commit", Action: events.LeakRevoked},
		&events.Unknown{Name: "tokenledger.token.sealed.v1"},
	}).Draw(t, "other")
}

// drawPast draws the events of a ledger.
func drawPast(t *rapid.T, most int) []events.Recorded {
	s := &story{pos: map[string]uint64{}, n: rapid.IntRange(1, 12).Draw(t, "ids")}
	var past []events.Recorded
	for seq := range uint64(rapid.IntRange(0, most).Draw(t, "events")) {
		r := recorded(seq+1, s.draw(t))
		if rapid.IntRange(0, 3).Draw(t, "idempotent") == 0 {
			r.Event.Idempotency = events.Idempotency{Key: rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key"), Request: "r"}
		}
		if _, ok := r.Event.Data.(*events.Unknown); ok {
			r.Event.Subject = id(1).String()
		}
		past = append(past, r)
	}
	return past
}
