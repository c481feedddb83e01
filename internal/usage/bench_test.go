//go:build unix

package usage

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

// benchUse is a use as an API gateway reports it.
func benchUse(token uint64) commands.Use {
	u := commands.Use{
		At: time.UnixMilli(1_772_446_440_123), Tenant: "acme",
		Actor: events.Actor{Type: "token", ID: "01JQ0000000000000000000001", Name: "edge-gateway", TokenID: ulid.ULID{15: 9}},
		IP:    "203.0.113.77", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		Site: "shop.example.com", Resource: "/v2/orders/recent", Scopes: []string{"orders:read", "orders:write"},
	}
	binary.BigEndian.PutUint64(u.TokenID[8:], token)
	return u
}

// BenchmarkRecord measures Record in journal durability, with a stream that takes
// 10 ms for a batch. cpu-ns/op is the processor time of the whole process.
func BenchmarkRecord(b *testing.B) {
	for _, bb := range []struct {
		name    string
		tokens  uint64
		callers int
	}{
		{"1 hot key, 32 callers", 1, 32},
		{"1 M random keys, 32 callers", 1_000_000, 32},
		{"1 hot key, 1 caller", 1, 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r, err := Open(Config{
				Dir: b.TempDir(), Node: "n1", Source: "/tokenledger/n1",
				Append: func(ctx context.Context, _ bool, evs ...events.Event) (uint64, error) {
					time.Sleep(10 * time.Millisecond)
					return 0, nil
				},
				NewID: func(t time.Time) ulid.ULID { return ulid.ULID{15: 1} }, Logger: slog.New(slog.DiscardHandler),
				OnFatal: func(err error) { b.Error(err) },
			})
			if err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			b.ReportAllocs()
			b.SetParallelism(max(1, bb.callers/runtime.GOMAXPROCS(0)))
			before := processTime()
			b.ResetTimer()
			if bb.callers == 1 {
				u := benchUse(1)
				for b.Loop() {
					if err := r.Record(ctx, u); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					u := benchUse(1)
					for pb.Next() {
						if bb.tokens > 1 {
							binary.BigEndian.PutUint64(u.TokenID[8:], 1+rand.Uint64N(bb.tokens))
						}
						if err := r.Record(ctx, u); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			b.StopTimer()
			b.ReportMetric(float64(processTime()-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(r.journal.size())/float64(b.N), "journal-B/op")
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_ = r.Close(ended)
		})
	}
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOpen measures the recovery of a full segment of uses of a few keys, at
// about 5 bytes each: the slowest there is.
func BenchmarkOpen(b *testing.B) {
	s := newStream()
	cfg := testConfig(b, b.TempDir(), s)
	r := openStill(b, cfg)
	uses := make([]commands.Use, 10_000)
	for i := range uses {
		uses[i] = benchUse(uint64(1 + i%100))
	}
	total := 0
	for ; r.journal.size() < 16<<20-1<<17; total += len(uses) {
		if err := r.Record(b.Context(), uses...); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.journal.close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.journal.close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(total), "ns/use")
	b.ReportMetric(float64(total), "uses")
}
