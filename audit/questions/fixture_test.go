package questions_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)

func at(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }

// tb is what rapid's T and testing's have in common.
type tb interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

// world is a log, an index over it, a read model beside it, and what they were given.
type world struct {
	t      tb
	dir    string
	log    *audit.Log
	runner *projections.Runner
	tokens *tokens.Reader
	*questions.Asker
	past []events.Recorded
	now  time.Time

	stopIndex func()
}

// settings of a world.
type settings struct {
	block int
	// told, if set, is the log as the index sees it.
	told func(*audit.Log) index.Log
}

func newWorld(t tb, s settings) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "questions")
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := &world{t: t, dir: dir, now: at(1000)}
	signing, verifying, err := note.GenerateKey(rand.Reader, "tokenledger/test")
	if err != nil {
		t.Fatalf("%v", err)
	}
	signer, _ := note.NewSigner(signing)
	verifier, _ := note.NewVerifier(verifying)
	w.log, err = audit.Open(audit.Config{Dir: dir, Signer: signer, Verifier: verifier, CommitEvery: time.Millisecond})
	if err != nil {
		t.Fatalf("%v", err)
	}
	p := tokens.New(tokens.Config{CacheBytes: 1 << 20})
	w.runner, err = projections.OpenOn(vfs.NewMem(), "store", slog.New(slog.DiscardHandler), nil, p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	w.tokens = p.Reader()
	var told index.Log = w.log
	if s.told != nil {
		told = s.told(w.log)
	}
	x := index.New(index.Config{Dir: "index", FS: vfs.NewMem(), Log: told, Block: s.block})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	w.stopIndex = func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("index: %v", err)
		}
	}
	w.Asker = questions.New(questions.Config{
		Log: w.log, Index: x, Tokens: w.tokens, Projections: w.runner, Now: func() time.Time { return w.now },
	})
	return w
}

// testWorld is a world that ends with the test.
func testWorld(t testing.TB, s settings) *world {
	w := newWorld(t, s)
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	w.stopIndex()
	for _, c := range []func() error{w.log.Close, w.runner.Close, func() error { return os.RemoveAll(w.dir) }} {
		if err := c(); err != nil {
			w.t.Errorf("close: %v", err)
		}
	}
}

// id makes a token's id; the ids rise with n.
func id(n int) (id ulid.ULID) {
	_ = id.SetTime(uint64(began.UnixMilli()) + uint64(n))
	id[15] = byte(n)
	return id
}

func about(n int) events.About {
	return events.About{
		TokenID: id(n), Actor: events.Actor{Type: "token", ID: id(100).String(), Name: "admin", TokenID: id(100)},
		Origin: events.Origin{IP: "198.51.100.1"},
	}
}

// record makes an event that arrives at a time.
func (w *world) record(received time.Time, tenant string, data events.Data) events.Recorded {
	w.t.Helper()
	seq := uint64(len(w.past) + 1)
	e := events.Event{Source: "/tokenledger/test", Time: received.Truncate(time.Millisecond), Tenant: tenant, Data: data}
	_ = e.ID.SetTime(uint64(began.UnixMilli()) + seq)
	if a := events.AboutOf(data); a != nil && !a.TokenID.IsZero() {
		e.Subject = a.TokenID.String()
	}
	raw, err := events.Encode(e)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	if e, err = events.Decode(raw); err != nil {
		w.t.Fatalf("%v", err)
	}
	r := events.Recorded{Seq: seq, Received: received.UTC(), Subject: events.StreamSubject(e), Raw: raw, Event: e}
	w.past = append(w.past, r)
	return r
}

// tell has events of a tenant arrive, a second after another.
func (w *world) tell(tenant string, all ...events.Data) {
	w.t.Helper()
	start := len(w.past)
	for _, d := range all {
		w.record(at(len(w.past)+1), tenant, d)
	}
	w.deliver(w.past[start:])
}

func (w *world) deliver(batch []events.Recorded) {
	w.t.Helper()
	if err := w.log.Append(batch); err != nil {
		w.t.Fatalf("%v", err)
	}
	if err := w.runner.Apply(batch); err != nil {
		w.t.Fatalf("%v", err)
	}
}

func generated(n int, site, owner string, scopes ...string) *events.TokenGenerated {
	return &events.TokenGenerated{
		About: about(n), Name: fmt.Sprint("Token ", n), Site: site, Owner: owner, Scopes: scopes, SHA256: events.Digest{byte(n), 1},
	}
}

func used(n int, ip string, last time.Time, pos uint64) *events.TokenUsed {
	u := events.Use{About: about(n), Count: 2, FirstAt: last.Add(-time.Second), LastAt: last, IP: ip, UserAgent: "ua", Site: "s", Node: "n", JournalPos: pos}
	u.Actor = events.Actor{Type: "token", ID: id(101).String(), Name: "gateway", TokenID: id(101)}
	return &events.TokenUsed{Use: u}
}

func rejected(n int, ip string, last time.Time, pos uint64) *events.TokenRejected {
	return &events.TokenRejected{Use: used(n, ip, last, pos).Use, Reason: "revoked"}
}

func revoked(n int, effective time.Time) *events.TokenRevoked {
	return &events.TokenRevoked{About: about(n), EffectiveAt: effective}
}

var tenants = []string{"acme", "acme-2"}

// drawPast has events happen as a ledger, and a careless one, would have them.
func (w *world) drawPast(t *rapid.T, most int) {
	start := len(w.past)
	seconds := len(w.past)
	word := rapid.SampledFrom([]string{"", "a", "b"})
	for range rapid.IntRange(1, most).Draw(t, "events") {
		seconds += rapid.IntRange(-10, 15).Draw(t, "seconds") // the clock steps back
		n := rapid.IntRange(1, 8).Draw(t, "token")
		tenant := tenants[n%2]
		if rapid.IntRange(0, 15).Draw(t, "foreign") == 0 {
			tenant = tenants[(n+1)%2]
		}
		when := at(rapid.IntRange(0, 120).Draw(t, "when"))
		var d events.Data
		switch rapid.IntRange(0, 11).Draw(t, "event") {
		case 0, 1, 2:
			g := generated(n, word.Draw(t, "site"), word.Draw(t, "owner"), rapid.SampledFrom([][]string{nil, {"x"}, {"x", "y"}}).Draw(t, "scopes")...)
			if rapid.Bool().Draw(t, "expires") {
				g.ExpiresAt = when
			}
			if rapid.IntRange(0, 3).Draw(t, "not before") == 0 {
				g.NotBefore = when.Add(-30 * time.Second)
			}
			// A token that is generated a second time, which no command does, replaces
			// nothing: the read model has it so.
			again := slices.ContainsFunc(w.past, func(r events.Recorded) bool {
				d, ok := r.Event.Data.(*events.TokenGenerated)
				return ok && d.TokenID == id(n)
			})
			if !again && rapid.IntRange(0, 2).Draw(t, "rotated") == 0 {
				g.RotatedFrom = id(rapid.IntRange(1, 8).Draw(t, "from"))
			}
			d = g
		case 3:
			d = used(n, "203.0.113."+word.Draw(t, "ip"), when, uint64(len(w.past)+1))
		case 4:
			d = rejected(n, "203.0.113."+word.Draw(t, "ip"), when, uint64(len(w.past)+1))
		case 5, 6:
			d = revoked(n, when)
		case 7:
			owner := word.Draw(t, "new owner")
			d = &events.TokenUpdated{About: about(n), Owner: &owner}
		case 8:
			d = &events.TokenSuspended{About: about(n)}
		case 9:
			d = &events.TokenResumed{About: about(n)}
		case 10:
			d = &events.AuditRead{About: about(n), Query: "q"}
		case 11:
			d = &events.TokenLeaked{About: about(n), Action: events.LeakNone}
		}
		w.record(at(seconds), tenant, d)
	}
	w.deliver(w.past[start:])
}

func (w *world) drawScope(t *rapid.T) questions.Scope {
	if rapid.IntRange(0, 3).Draw(t, "all tenants") == 0 {
		return questions.Scope{AllTenants: true}
	}
	return questions.Scope{Tenant: rapid.SampledFrom(append(tenants, "nobody")).Draw(t, "of")}
}

func (w *world) drawMoment(t *rapid.T) questions.Moment {
	if rapid.Bool().Draw(t, "by sequence") {
		return questions.Moment{Seq: rapid.Uint64Range(1, uint64(len(w.past))).Draw(t, "seq")}
	}
	return questions.Moment{Time: at(rapid.IntRange(-20, 200).Draw(t, "time"))}
}

// find is the plainest reading of a moment.
func (w *world) find(m questions.Moment) (seq uint64, clock time.Time) {
	if m.Seq != 0 {
		return m.Seq, w.past[m.Seq-1].Received
	}
	for _, r := range w.past {
		if !r.Received.After(m.Time) {
			seq = r.Seq
		}
	}
	return seq, m.Time
}

// was is the plainest reading of a token as of a sequence: a fold of everything.
func (w *world) was(n int, seq uint64, clock time.Time) (t questions.AsOfToken, exists bool) {
	t.ID = id(n)
	for _, r := range w.past[:seq] {
		if t.Fold(r) {
			t.Seqs = append(t.Seqs, r.Seq)
		}
	}
	t.Status = t.Token.Status(clock)
	return t, t.CreatedSeq != 0
}

func in(s questions.Scope, tenant string) bool { return s.AllTenants || s.Tenant == tenant }
