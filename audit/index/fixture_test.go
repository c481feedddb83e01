package index_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
	"github.com/tokenledger/tokenledger/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)

// tb is what rapid's T and testing's have in common.
type tb interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

func openLog(t tb, dir string) *audit.Log {
	t.Helper()
	signing, verifying, err := note.GenerateKey(rand.Reader, "tokenledger/test")
	if err != nil {
		t.Fatalf("%v", err)
	}
	signer, _ := note.NewSigner(signing)
	verifier, _ := note.NewVerifier(verifying)
	l, err := audit.Open(audit.Config{Dir: dir, Signer: signer, Verifier: verifier, CommitEvery: time.Millisecond})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return l
}

// id makes a token's id.
func id(n int) (id ulid.ULID) {
	_ = id.SetTime(uint64(began.UnixMilli()))
	id[15] = byte(n)
	return id
}

// record makes the event of a sequence.
func record(t tb, seq uint64, received time.Time, tenant string, data events.Data) events.Recorded {
	t.Helper()
	e := events.Event{Source: "/tokenledger/test", Time: began.Truncate(time.Millisecond), Tenant: tenant, Data: data}
	_ = e.ID.SetTime(uint64(began.UnixMilli()) + seq)
	if about := events.AboutOf(data); about != nil && !about.TokenID.IsZero() {
		e.Subject = about.TokenID.String()
	} else if about == nil {
		e.Subject = id(3).String()
	}
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return events.Recorded{Seq: seq, Received: received, Subject: events.StreamSubject(e), Raw: raw, Event: e}
}

var (
	tenants = []string{"acme", "acme-2", "b"}
	sites   = []string{"", "shop.example.com", "shop.example.com2", string(make([]byte, 150)), string(make([]byte, 151))}
	ips     = []string{"", "203.0.113.7", "203.0.113.70", "2001:db8::1"}
	names   = []string{"", "root", id(1).String()}
	kinds   = []string{"generated", "used", "rejected", "revoked", "suspended", "sealed"}
)

// draw draws an event's data.
func draw(t *rapid.T) events.Data {
	pick := func(from []string, what string) string { return rapid.SampledFrom(from).Draw(t, what) }
	about := events.About{
		TokenID: id(rapid.IntRange(1, 6).Draw(t, "token")),
		Actor:   events.Actor{Type: "token", ID: pick(names, "actor"), Name: pick(names, "name")},
		Origin:  events.Origin{IP: pick(ips, "origin")},
	}
	if n := rapid.IntRange(0, 3).Draw(t, "by"); n > 0 {
		about.Actor.TokenID = id(n)
	}
	use := events.Use{About: about, Count: 1, FirstAt: began, LastAt: began, Node: "n", JournalPos: 1, IP: pick(ips, "ip"), Site: pick(sites, "site")}
	switch pick(kinds, "kind") {
	case "generated":
		d := &events.TokenGenerated{About: about, Name: "T", Site: use.Site, SHA256: events.Digest{1}}
		if rapid.Bool().Draw(t, "rotated") {
			d.RotatedFrom = id(rapid.IntRange(1, 6).Draw(t, "from"))
		}
		return d
	case "used":
		return &events.TokenUsed{Use: use}
	case "rejected":
		if rapid.Bool().Draw(t, "unknown") {
			use.TokenID = ulid.ULID{}
		}
		return &events.TokenRejected{Use: use, Reason: "revoked"}
	case "revoked":
		return &events.TokenRevoked{About: about, EffectiveAt: began}
	case "suspended":
		return &events.TokenSuspended{About: about}
	}
	return &events.Unknown{Name: "tokenledger.token.sealed.v1"}
}

func drawQuery(t *rapid.T, size uint64) index.Query {
	var q index.Query
	some := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	if q.AllTenants = some("all tenants"); !q.AllTenants {
		q.Tenant = rapid.SampledFrom(append(tenants, "nobody")).Draw(t, "tenant")
	}
	if some("by actor") {
		q.Actor = rapid.SampledFrom([]string{"root", id(1).String(), id(2).String(), "n"}).Draw(t, "actor")
	}
	if some("by token") {
		q.Token = id(rapid.IntRange(1, 7).Draw(t, "token"))
	}
	if some("by site") {
		q.Site = rapid.SampledFrom(sites).Draw(t, "site")
	}
	if some("by ip") {
		q.IP = rapid.SampledFrom(ips).Draw(t, "ip")
	}
	if some("by kind") {
		q.Kinds = rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 1, 3, rapid.ID[string]).Draw(t, "kinds")
	}
	at := rapid.Map(rapid.Int64Range(-50, 450), func(n int64) time.Time { return began.Add(time.Duration(n) * time.Second) })
	if some("since") {
		q.Since = at.Draw(t, "from")
	}
	if some("until") {
		q.Until = at.Draw(t, "to")
	}
	if some("up to") {
		q.To = rapid.Uint64Range(1, size+2).Draw(t, "last")
	}
	return q
}

// running is an index at work.
type running struct {
	*index.Index
	t    tb
	stop context.CancelFunc
	done chan error
}

func run(t tb, cfg index.Config) *running {
	if cfg.Dir == "" {
		cfg.Dir = "index"
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{index.New(cfg), t, stop, make(chan error, 1)}
	go func() { r.done <- r.Run(ctx) }()
	return r
}

func (r *running) close() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	if _, err := r.Find(context.Background(), index.Query{AllTenants: true}, 0, nil); !errors.Is(err, index.ErrClosed) {
		r.t.Errorf("Find after the end: %v", err)
	}
}

func (r *running) wait(seq uint64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.WaitFor(ctx, seq); err != nil {
		r.t.Fatalf("wait for %d: %v", seq, err)
	}
}

// all gives what is found behind a sequence and matches, in as many calls as that takes.
func (r *running) all(log *audit.Log, q index.Query, after uint64) (seqs []uint64) {
	r.t.Helper()
	for calls := 0; ; calls++ {
		if calls > 10_000 {
			r.t.Fatalf("%+v has no end", q)
		}
		last := after
		p, err := r.Find(context.Background(), q, after, func(seq uint64) bool {
			if seq <= last {
				r.t.Fatalf("%d was given behind %d", seq, last)
			}
			last = seq
			e, err := log.Event(seq)
			if err != nil {
				r.t.Fatalf("%v", err)
			}
			if q.Matches(&e) {
				seqs = append(seqs, seq)
			}
			return true
		})
		if err != nil {
			r.t.Fatalf("find %+v: %v", q, err)
		}
		if p.Done {
			return seqs
		}
		if p.Seq < last || p.Seq == after {
			r.t.Fatalf("%+v came from %d to %d, and gave %d", q, after, p.Seq, last)
		}
		after = p.Seq
	}
}

// scan is what a query must find, by the plainest means.
func scan(past []events.Recorded, q index.Query, after uint64) (seqs []uint64) {
	for i := range past {
		if r := &past[i]; r.Seq > after && plainly(r, q) {
			seqs = append(seqs, r.Seq)
		}
	}
	return seqs
}

// plainly is a second notion of what matches.
func plainly(r *events.Recorded, q index.Query) bool {
	var about events.About
	var site, ip string
	var also ulid.ULID
	switch d := r.Event.Data.(type) {
	case *events.TokenGenerated:
		about, site, also = d.About, d.Site, d.RotatedFrom
	case *events.TokenUsed:
		about, site, ip = d.About, d.Site, d.IP
	case *events.TokenRejected:
		about, site, ip = d.About, d.Site, d.IP
	case *events.Unknown:
		about.TokenID = ulid.MustParse(r.Event.Subject)
	default:
		about = *events.AboutOf(d)
	}
	by := []string{about.Actor.ID, about.Actor.Name}
	if !about.Actor.TokenID.IsZero() {
		by = append(by, about.Actor.TokenID.String())
	}
	return (q.AllTenants || r.Event.Tenant == q.Tenant) &&
		(q.Actor == "" || slices.Contains(by, q.Actor)) &&
		(q.Token.IsZero() || q.Token == about.TokenID || q.Token == also) &&
		(q.Site == "" || q.Site == site) &&
		(q.IP == "" || q.IP == ip || q.IP == about.Origin.IP) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Event.Data.Type().Kind())) &&
		(q.Since.IsZero() || !r.Received.Before(q.Since)) &&
		(q.Until.IsZero() || r.Received.Before(q.Until)) &&
		(q.To == 0 || r.Seq <= q.To)
}

// fill appends n simple events.
func fill(t tb, l *audit.Log, past []events.Recorded, n int) []events.Recorded {
	t.Helper()
	start := len(past)
	for i := range n {
		seq := uint64(start + i + 1)
		d := &events.TokenSuspended{About: events.About{TokenID: id(int(seq % 7)), Actor: events.Actor{Type: "system", ID: fmt.Sprint("node", seq%3)}}}
		past = append(past, record(t, seq, began.Add(time.Duration(seq)*time.Second), tenants[seq%3], d))
	}
	if err := l.Append(past[start:]); err != nil {
		t.Fatalf("%v", err)
	}
	if err := l.WaitFor(context.Background(), uint64(len(past))); err != nil {
		t.Fatalf("%v", err)
	}
	return past
}

func memory() vfs.FS { return vfs.NewMem() }
