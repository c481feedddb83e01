package eventstore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
)

// BenchmarkAppend compares concurrent callers of one event each with the floor:
// single publications, raw, from one caller. The two take turns of a fraction of a
// second, so that what else the machine does meets both; an iteration is one
// turn of each. x-floor is the ratio.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		callers int
		think   time.Duration
		events  int
	}{
		{"callers=1", 1, 0, 1},
		{"callers=4", 4, 0, 1},
		{"callers=16", 16, 0, 1},
		{"callers=32", 32, 0, 1},
		{"callers=64", 64, 0, 1},
		{"callers=256", 256, 0, 1},
		{"callers=64,think=1ms", 64, time.Millisecond, 1},
		{"callers=64,think=4ms", 64, 4 * time.Millisecond, 1},
		{"callers=16,events=2", 16, 0, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			_, nc := newStore(b)
			js, err := jetstream.New(nc)
			if err != nil {
				b.Fatal(err)
			}
			s, _ := newStore(b)
			var floor, store turns
			for b.Loop() {
				floor.take(b, 1, func() error {
					e := newEvent(1)
					raw, err := events.Encode(e)
					if err != nil {
						return err
					}
					_, err = js.PublishMsg(b.Context(), &nats.Msg{Subject: events.StreamSubject(e), Data: raw, Header: nats.Header{
						jetstream.MsgIDHeader: {e.ID.String()}, "Content-Type": {events.ContentType}}})
					return err
				})
				store.take(b, c.callers, func() error {
					_, err := s.Append(b.Context(), newEvents(c.events)...)
					time.Sleep(c.think)
					return err
				})
			}
			b.ReportMetric(floor.rate(), "floor-events/s")
			b.ReportMetric(store.rate()*float64(c.events), "events/s")
			b.ReportMetric(store.rate()*float64(c.events)/floor.rate(), "x-floor")
		})
	}
}

// turns counts what callers that each do one thing at a time get done.
type turns struct {
	done atomic.Int64
	took time.Duration
}

func (t *turns) take(b *testing.B, callers int, op func() error) {
	b.Helper()
	const turn = 300 * time.Millisecond
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(start) < turn {
				if err := op(); err != nil {
					b.Error(err)
					return
				}
				t.done.Add(1)
			}
		})
	}
	wg.Wait()
	t.took += time.Since(start)
}

func (t *turns) rate() float64 { return float64(t.done.Load()) / t.took.Seconds() }

// BenchmarkReplay compares Follow, decoding included, with the floor: a bare
// ordered consumer. The two take turns; an iteration reads 200,000 events
// with each.
func BenchmarkReplay(b *testing.B) {
	const n = 200_000
	s, nc := newStore(b)
	for i := 0; i < n; i += 1000 {
		if _, err := s.Append(b.Context(), newEvents(1000)...); err != nil {
			b.Fatal(err)
		}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	var floor, follow time.Duration
	for b.Loop() {
		start := time.Now()
		replayBare(b, js, n)
		floor += time.Since(start)

		start = time.Now()
		ctx, cancel := context.WithCancel(b.Context())
		got := 0
		err := s.Follow(ctx, 0, func(batch []events.Recorded) error {
			if got += len(batch); got == n {
				cancel()
			}
			return nil
		})
		if got != n {
			b.Fatal(err)
		}
		follow += time.Since(start)
	}
	b.ReportMetric(float64(b.N)*n/floor.Seconds(), "floor-events/s")
	b.ReportMetric(float64(b.N)*n/follow.Seconds(), "events/s")
	b.ReportMetric(floor.Seconds()/follow.Seconds(), "x-floor")
}

func replayBare(b *testing.B, js jetstream.JetStream, n int) {
	b.Helper()
	c, err := js.OrderedConsumer(b.Context(), Stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	got, done := 0, make(chan struct{})
	cc, err := c.Consume(func(jetstream.Msg) {
		if got++; got == n {
			close(done)
		}
	}, jetstream.PullMaxMessages(20_000))
	if err != nil {
		b.Fatal(err)
	}
	<-done
	cc.Stop()
}

// BenchmarkFollowLatency is the time from the acknowledgement of a single event to
// its being applied.
func BenchmarkFollowLatency(b *testing.B) {
	s, _ := newStore(b)
	type seen struct {
		seq uint64
		at  time.Time
	}
	applied := make(chan seen, 16)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.Follow(ctx, 0, func(batch []events.Recorded) error {
			applied <- seen{batch[len(batch)-1].Seq, time.Now()}
			return nil
		})
	})
	var delays []time.Duration
	for b.Loop() {
		seq, err := s.Append(ctx, newEvent(1))
		if err != nil {
			b.Fatal(err)
		}
		acked := time.Now()
		for {
			if a := <-applied; a.seq >= seq {
				delays = append(delays, a.at.Sub(acked))
				break
			}
		}
	}
	cancel()
	wg.Wait()
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "p99-µs")
}
