//go:build unix

package tokens_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// The benchmarks that need many tokens take this number; a million takes a minute.
var (
	benchTokens = flag.Int("tokens", 100_000, "tokens in the benchmarks' store")
	// In a store that an earlier run left, memory is that of a restart.
	benchStore = flag.String("store", "", "keep the benchmarks' store in this folder, and use it if it is there")
)

// workload makes the events of a ledger at work, in batches.
type workload struct {
	rng  *rand.Rand
	seq  uint64
	pos  uint64
	now  time.Time
	ids  []ulid.ULID
	mix  [2]int // percent generated, percent used; the rest is revoked
	sets [][]string
}

func newWorkload(generated, used int) *workload {
	w := &workload{
		rng: rand.New(rand.NewPCG(1, 2)),
		now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
		mix: [2]int{generated, used},
	}
	for i := range 20 {
		w.sets = append(w.sets, []string{fmt.Sprintf("orders:read%d", i), fmt.Sprintf("orders:write%d", i)})
	}
	return w
}

func (w *workload) batch(n int) []events.Recorded {
	out := make([]events.Recorded, n)
	for i := range out {
		w.now = w.now.Add(20 * time.Microsecond)
		w.seq++
		out[i] = events.Recorded{
			Seq: w.seq, Raw: binary.BigEndian.AppendUint64(nil, w.seq),
			Event: events.Event{ID: w.id(), Source: "/tokenledger/a", Time: w.now, Tenant: "acme", Data: w.data()},
		}
	}
	return out
}

// id makes a ULID: its time goes up, the rest is random.
func (w *workload) id() (id ulid.ULID) {
	_ = id.SetTime(uint64(w.now.UnixMilli()))
	binary.BigEndian.PutUint64(id[8:], w.rng.Uint64())
	binary.BigEndian.PutUint16(id[6:], uint16(w.rng.Uint32()))
	return id
}

func (w *workload) data() events.Data {
	p := w.rng.IntN(100)
	if len(w.ids) == 0 || p < w.mix[0] {
		id := w.id()
		w.ids = append(w.ids, id)
		return &events.TokenGenerated{
			About: events.About{TokenID: id, Actor: events.Actor{Type: "token", TokenID: w.ids[0]}},
			Name:  fmt.Sprintf("Shop %d", len(w.ids)), Site: fmt.Sprintf("shop%d.example.com", w.rng.IntN(2000)),
			Owner: fmt.Sprintf("team-%d", w.rng.IntN(200)), Scopes: w.sets[w.rng.IntN(len(w.sets))],
			SHA256: sha256.Sum256(id[:]), ExpiresAt: w.now.Add(time.Duration(w.rng.IntN(365*24)) * time.Hour),
		}
	}
	about := events.About{TokenID: w.ids[w.rng.IntN(len(w.ids))], Actor: events.Actor{Type: "token", TokenID: w.ids[0]}}
	if p < w.mix[0]+w.mix[1] {
		w.pos++
		return &events.TokenUsed{Use: events.Use{About: about, Count: 3, FirstAt: w.now, LastAt: w.now, IP: "203.0.113.7", Node: "a", JournalPos: w.pos}}
	}
	return &events.TokenRevoked{About: about, EffectiveAt: w.now, ReasonCode: events.ReasonUnused}
}

func openBench(b *testing.B, dir string) (*projections.Runner, *tokens.Reader) {
	b.Helper()
	p := tokens.New(tokens.Config{})
	r, err := projections.Open(dir, slog.New(slog.DiscardHandler), nil, p)
	if err != nil {
		b.Fatal(err)
	}
	return r, p.Reader()
}

// BenchmarkApply is the speed of a replay, without the decoding: one operation is
// one event.
func BenchmarkApply(b *testing.B) {
	r, _ := openBench(b, filepath.Join(b.TempDir(), "p"))
	w := newWorkload(50, 40)
	const size = 4096
	var cpu time.Duration
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; n%size != 1 {
			continue
		}
		b.StopTimer()
		batch := w.batch(size)
		before := cpuTime()
		b.StartTimer()
		if err := r.Apply(batch); err != nil {
			b.Fatal(err)
		}
		cpu += cpuTime() - before
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(n), "cpu-ns/event")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	reportMemory(b)
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
}

func fill(b *testing.B, dir string, n int) []ulid.ULID {
	b.Helper()
	w := newWorkload(100, 0)
	if _, err := os.Stat(dir); err == nil {
		for len(w.ids) < n {
			w.batch(min(4096, n-len(w.ids)))
		}
		return w.ids
	}
	r, _ := openBench(b, dir)
	for len(w.ids) < n {
		if err := r.Apply(w.batch(min(4096, n-len(w.ids)))); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	return w.ids
}

// BenchmarkRead is the speed of reads of random tokens, after a restart.
func BenchmarkRead(b *testing.B) {
	dir := filepath.Join(cmp.Or(*benchStore, b.TempDir()), "p")
	ids := fill(b, dir, *benchTokens)
	start := time.Now()
	r, reader := openBench(b, dir)
	b.Logf("opened in %v", time.Since(start))
	defer r.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	now := time.Now()
	read := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, found, err := reader.Credential(ids[rng.IntN(len(ids))])
			if err != nil || !found {
				b.Fatal(found, err)
			}
			_ = c.Status(now)
		}
	}
	b.Run("credential/cold", read)
	start = time.Now()
	if err := reader.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("warmed in %v", time.Since(start))
	b.Run("credential/warm", read)
	b.Run("credential/unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			id := ids[rng.IntN(len(ids))]
			id[15]++
			if _, _, err := reader.Credential(id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, found, err := reader.Token(ids[rng.IntN(len(ids))]); err != nil || !found {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("list/site", func(b *testing.B) {
		for b.Loop() {
			if _, err := reader.List(tokens.Query{Tenant: "acme", Site: "shop7.example.com"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list/unused", func(b *testing.B) {
		for b.Loop() {
			if _, err := reader.List(tokens.Query{Tenant: "acme", UnusedSince: time.Unix(0, 0)}); err != nil {
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

// cpuTime is what all threads of the process have used. On a shared machine it says
// more than the time on the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkByHashes is the look for a hash that no token has, which reads them all.
func BenchmarkByHashes(b *testing.B) {
	r, reader := openBench(b, filepath.Join(b.TempDir(), "p"))
	defer r.Close()
	w := newWorkload(100, 0)
	for done := 0; done < *benchTokens; done += 4096 {
		if err := r.Apply(w.batch(4096)); err != nil {
			b.Fatal(err)
		}
	}
	none := []events.Digest{sha256.Sum256([]byte("of no token"))}
	for b.Loop() {
		found, err := reader.ByHashes(b.Context(), "", none)
		if err != nil || len(found) != 0 {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(*benchTokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}
