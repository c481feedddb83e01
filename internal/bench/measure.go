package bench

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sample is what one slice gave.
type sample struct {
	// n operations took this long, and this much of the processor.
	n         int
	took, cpu time.Duration
	// settle is how long what was left to be done took afterwards.
	settle, settleCPU time.Duration
}

// rate is per second.
func (s sample) rate() float64 { return float64(s.n) / s.took.Seconds() }

// slice measures for about d.
type slice func(ctx context.Context, d time.Duration) (sample, error)

// outcome is the samples of all rounds.
type outcome struct {
	value, floor, ratio float64
	product, bare       []sample
	ratios              []float64
	slice               time.Duration // zero where a slice ends by itself
}

// conditions tells of the spread, and of the processor time. There is nothing to
// tell of a figure that was not measured in rounds.
func (o outcome) conditions() (cs Conditions) {
	if len(o.ratios) == 0 {
		return nil
	}
	cs.add("rounds", len(o.ratios))
	if o.slice > 0 {
		cs.add("slice_seconds", o.slice.Seconds())
	}
	cs.add("ratio_lowest", slices.Min(o.ratios))
	cs.add("ratio_highest", slices.Max(o.ratios))
	cpu := func(s sample) float64 { return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.n) }
	cs.add("cpu_us_per_operation", medianOf(o.product, cpu))
	cs.add("floor_cpu_us_per_operation", medianOf(o.bare, cpu))
	return cs
}

// warmUp bounds the slices before the first round, which do not count.
const warmUp = 500 * time.Millisecond

// alternate runs floor and product in turns. A d of zero means that slices end by
// themselves; then there is no warming up.
func (b *bench) alternate(ctx context.Context, d time.Duration, floor, product slice) (outcome, error) {
	o := outcome{slice: d}
	if d > 0 {
		b.step("warming up")
		for _, s := range []slice{floor, product} {
			if _, err := s(ctx, min(d, warmUp)); err != nil {
				return o, err
			}
		}
	}
	for i := range b.Rounds {
		b.step("round %d of %d", i+1, b.Rounds)
		var bare, own sample
		turns := []func() error{
			func() (err error) { bare, err = clean(ctx, d, floor); return err },
			func() (err error) { own, err = clean(ctx, d, product); return err },
		}
		if i%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return o, err
			}
		}
		o.bare, o.product = append(o.bare, bare), append(o.product, own)
		o.ratios = append(o.ratios, own.rate()/bare.rate())
	}
	o.value, o.floor, o.ratio = medianOf(o.product, sample.rate), medianOf(o.bare, sample.rate), median(o.ratios)
	return o, nil
}

// clean runs a slice that does not pay for the garbage of the one before.
func clean(ctx context.Context, d time.Duration, s slice) (sample, error) {
	runtime.GC()
	got, err := s(ctx, d)
	if err == nil && got.n == 0 {
		err = errors.New("nothing was done in a slice of time; give a longer --duration")
	}
	return got, err
}

func medianOf(all []sample, f func(sample) float64) float64 {
	var v []float64
	for _, s := range all {
		v = append(v, f(s))
	}
	return median(v)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}

// timed measures one run of do, which gives the number of operations.
func timed(do func() (n int, err error)) (s sample, err error) {
	cpu, began := processorTime(), time.Now()
	s.n, err = do()
	s.took, s.cpu = time.Since(began), processorTime()-cpu
	return s, err
}

// processorTime is what the process has used of all cores so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// errUsedUp ends a slice before its time: there is nothing more to work on.
var errUsedUp = errors.New("nothing is left to work on")

// callers has n goroutines do something over and over for d. Every call that was
// begun is finished, and counts.
func callers(ctx context.Context, n int, d time.Duration, do func(ctx context.Context, caller int) error) (sample, error) {
	return timed(func() (int, error) {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		var over atomic.Bool
		timer := time.AfterFunc(d, func() { over.Store(true) })
		defer timer.Stop()
		var calls atomic.Int64
		var wg sync.WaitGroup
		for caller := range n {
			wg.Go(func() {
				for !over.Load() && ctx.Err() == nil {
					err := do(ctx, caller)
					if errors.Is(err, errUsedUp) {
						over.Store(true)
						return
					}
					if err != nil {
						stop(err)
						return
					}
					calls.Add(1)
				}
			})
		}
		wg.Wait()
		return int(calls.Load()), context.Cause(ctx)
	})
}
