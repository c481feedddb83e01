package questions_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// The ledger that the benchmarks ask: its tokens are generated first, then used; the
// last hundredth of the events are revocations. The targets are for a million tokens and
// ten million events, which take some minutes and 6 GB to make: -tokens 1000000
// -events 10000000 -keep DIR.
var (
	benchTokens = flag.Int("tokens", 20_000, "tokens in the benchmarks' ledger")
	benchEvents = flag.Int("events", 200_000, "events in the benchmarks' ledger")
	benchKeep   = flag.String("keep", "", "keep the benchmarks' ledger in this folder, and use it if it is there")
)

type benchLedger struct {
	dir    string
	log    *audit.Log
	runner *projections.Runner
	reader *tokens.Reader
	ids    []ulid.ULID
}

func openBench(b *testing.B) *benchLedger {
	b.Helper()
	dir := *benchKeep
	if dir == "" {
		dir = b.TempDir()
	}
	l := &benchLedger{dir: dir}
	signing, verifying, err := note.GenerateKey(rand.Reader, "tokenledger/test")
	if err != nil {
		b.Fatal(err)
	}
	key := filepath.Join(dir, "key")
	if kept, err := os.ReadFile(key); err == nil {
		signing, verifying, _ = strings.Cut(string(kept), "\n")
	} else if err := os.WriteFile(key, []byte(signing+"\n"+verifying), 0o600); err != nil {
		b.Fatal(err)
	}
	signer, _ := note.NewSigner(signing)
	verifier, _ := note.NewVerifier(verifying)
	if l.log, err = audit.Open(audit.Config{Dir: filepath.Join(dir, "audit"), Signer: signer, Verifier: verifier}); err != nil {
		b.Fatal(err)
	}
	p := tokens.New(tokens.Config{CacheBytes: 1 << 20})
	if l.runner, err = projections.Open(filepath.Join(dir, "tokens"), slog.New(slog.DiscardHandler), nil, p); err != nil {
		b.Fatal(err)
	}
	l.reader = p.Reader()
	b.Cleanup(func() {
		if err := l.runner.Close(); err != nil {
			b.Error(err)
		}
		if err := l.log.Close(); err != nil {
			b.Error(err)
		}
	})
	l.fill(b)
	return l
}

// fill makes the events that are not there yet.
func (l *benchLedger) fill(b *testing.B) {
	rng := mathrand.New(mathrand.NewPCG(1, 2))
	n, all := *benchTokens, *benchEvents
	for i := range n {
		var id ulid.ULID
		_ = id.SetTime(uint64(began.UnixMilli()) + uint64(i))
		binary.BigEndian.PutUint64(id[8:], rng.Uint64())
		l.ids = append(l.ids, id)
	}
	var batch []events.Recorded
	for seq := uint64(1); seq <= uint64(all); seq++ {
		at := began.Add(time.Duration(seq) * time.Millisecond)
		var data events.Data
		a := events.About{
			Actor:  events.Actor{Type: "token", ID: l.ids[seq%10].String(), Name: fmt.Sprint("admin ", seq%10), TokenID: l.ids[seq%10]},
			Origin: events.Origin{IP: fmt.Sprint("198.51.100.", seq%10), UserAgent: "curl/8.5.0", RequestID: "0123456789abcdef"},
		}
		switch {
		case seq <= uint64(n):
			a.TokenID = l.ids[seq-1]
			data = &events.TokenGenerated{
				About: a, Name: fmt.Sprint("Shop ", seq), Site: fmt.Sprintf("shop%d.example.com", rng.IntN(2000)), Owner: fmt.Sprint("team-", rng.IntN(200)),
				Scopes: []string{"orders:read", "orders:write"}, SHA256: events.Digest{1, byte(seq)}, ExpiresAt: at.Add(time.Duration(rng.IntN(8760)) * time.Hour),
			}
		case seq > uint64(all-all/100):
			a.TokenID = l.ids[rng.IntN(n)]
			data = &events.TokenRevoked{About: a, EffectiveAt: at, ReasonCode: events.ReasonUnused}
		default:
			a.TokenID = l.ids[rng.IntN(n)]
			a.Origin = events.Origin{}
			data = &events.TokenUsed{Use: events.Use{
				About: a, Count: 3, FirstAt: at, LastAt: at, IP: fmt.Sprintf("203.0.%d.%d", rng.IntN(20), rng.IntN(250)), UserAgent: "WooCommerce/9.1",
				Site: fmt.Sprintf("shop%d.example.com", rng.IntN(2000)), Resource: "/wp-json/wc/v3/orders", Scopes: []string{"orders:read"}, Node: "a", JournalPos: seq,
			}}
		}
		if seq <= min(l.log.Appended(), l.runner.Applied()) {
			continue
		}
		e := events.Event{ID: l.ids[0], Source: "/tokenledger/a", Subject: a.TokenID.String(), Time: at.Truncate(time.Millisecond), Tenant: "acme", Data: data}
		raw, err := events.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, events.Recorded{Seq: seq, Received: at, Subject: events.StreamSubject(e), Raw: raw, Event: e})
		if len(batch) == 4096 || seq == uint64(all) {
			if err := l.log.Append(batch); err != nil {
				b.Fatal(err)
			}
			if err := l.runner.Apply(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := l.log.WaitFor(b.Context(), uint64(all)); err != nil {
		b.Fatal(err)
	}
}

// index gives an index that runs until the benchmark ends, and stop, to end it before.
func (l *benchLedger) index(b *testing.B, dir string) (x *index.Index, stop func()) {
	x = index.New(index.Config{Dir: dir, Log: l.log})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	return x, func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkIndex is the speed of catching up: one operation is the whole log.
func BenchmarkIndex(b *testing.B) {
	l := openBench(b)
	n := 0
	for b.Loop() {
		n++
		dir := filepath.Join(l.dir, fmt.Sprint("index", n))
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		x, stop := l.index(b, dir)
		if err := x.WaitFor(b.Context(), l.log.Size()); err != nil {
			b.Fatal(err)
		}
		stop()
		if n == 1 {
			b.Logf("%.1f bytes an event on the disk", float64(size(dir))/float64(*benchEvents))
		}
	}
	b.ReportMetric(float64(*benchEvents)*float64(n)/b.Elapsed().Seconds(), "events/s")
	reportMemory(b)
}

func size(dir string) (n int64) {
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// BenchmarkAsk is the speed of questions.
func BenchmarkAsk(b *testing.B) {
	l := openBench(b)
	x, stop := l.index(b, filepath.Join(l.dir, "index"))
	defer stop()
	if err := x.WaitFor(b.Context(), l.log.Size()); err != nil {
		b.Fatal(err)
	}
	a := questions.New(questions.Config{Log: l.log, Index: x, Tokens: l.reader, Projections: l.runner})
	ctx := b.Context()
	rng := mathrand.New(mathrand.NewPCG(3, 4))
	scope := questions.Scope{Tenant: "acme"}
	b.Run("story", func(b *testing.B) {
		uses := uint64(0)
		for b.Loop() {
			// The ten that made the others come first.
			s, err := a.Story(ctx, scope, l.ids[10+rng.IntN(len(l.ids)-10)])
			if err != nil {
				b.Fatal(err)
			}
			uses += s.Uses
		}
		b.ReportMetric(float64(uses)/3/float64(b.N), "uses/story")
	})
	b.Run("story/admin", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Story(ctx, scope, l.ids[rng.IntN(10)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	now, before := uint64(*benchEvents), uint64(*benchEvents-*benchEvents/100)
	for name, seq := range map[string]uint64{"now": now, "before the revocations": before} {
		b.Run("count "+name, func(b *testing.B) {
			for b.Loop() {
				c, err := a.Count(ctx, questions.AsOfQuery{Scope: scope, At: questions.Moment{Seq: seq}, Status: tokens.StatusActive})
				if err != nil || c.Tokens == 0 {
					b.Fatal(c, err)
				}
			}
		})
	}
	b.Run("as of, a page of an owner", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.AsOf(ctx, questions.AsOfQuery{Scope: scope, At: questions.Moment{Seq: before}, Owner: "team-7"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, q := range map[string]questions.EventQuery{
		"all":                   {},
		"of a kind":             {Kind: "revoked"},
		"of an address":         {IP: "203.0.7.7"},
		"of an address at site": {IP: "203.0.7.7", Site: "shop7.example.com"},
		"of nobody":             {Actor: "nobody"},
		"of a time":             {Since: began.Add(time.Duration(before) * time.Millisecond), Kind: "used"},
	} {
		b.Run("events "+name, func(b *testing.B) {
			q.Scope = scope
			for b.Loop() {
				if _, err := a.Events(ctx, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("as of a time", func(b *testing.B) {
		for b.Loop() {
			t := began.Add(time.Duration(rng.IntN(*benchEvents)) * time.Millisecond)
			if _, err := x.LastBefore(ctx, t, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	reportMemory(b)
}

// reportMemory logs what the process holds, where /proc tells.
func reportMemory(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			b.Log(strings.TrimSpace(line))
		}
	}
	b.Logf("Go heap %d MB, from the system %d MB", m.HeapAlloc>>20, m.Sys>>20)
}
