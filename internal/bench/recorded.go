package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// settle waits until no use is on its way to the stream, and what is on the stream
// is in the read model.
func (n *node) settle(ctx context.Context) error {
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	// The figures of one look are not of one moment: the lag may have been read
	// before the last uses were published. So nothing has to be found twice.
	for nothing := 0; ; {
		rest, err := n.gauges(ctx, "tokenledger_usage_pending", "tokenledger_lag_events")
		if err != nil {
			return err
		}
		if nothing++; rest > 0 {
			nothing = 0
		}
		if nothing == 2 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%.0f uses and events are still on their way: %w", rest, ctx.Err())
		case <-tick.C:
		}
	}
}

// gauges gives the sum of the node's own figures of these names.
func (n *node) gauges(ctx context.Context, names ...string) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	seen := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		for _, name := range names {
			text, ok := strings.CutPrefix(lines.Text(), name+" ")
			if !ok {
				continue
			}
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return 0, fmt.Errorf("read the node's metrics: %w", err)
			}
			sum += value
			seen++
		}
	}
	if seen != len(names) {
		return 0, fmt.Errorf("the node's metrics (%s) lack one of %s", res.Status, strings.Join(names, ", "))
	}
	return sum, nil
}

// verify holds the number of answers for each token against the uses that the
// ledger counts, and all of them together against the uses of the caller's token.
func (v *validating) verify(cs *Conditions) error {
	state := v.n.Ledger().State
	var answered, recorded, wrong atomic.Uint64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < v.tokens.len(); i += workers {
				want := uint64(v.uniform.answered[i] + v.skewed.answered[i])
				if want == 0 {
					continue
				}
				answered.Add(want)
				id, err := v.tokens.id(i)
				if err == nil {
					var got uint64
					u, usageErr := state.Usage(id)
					if got, err = u.UseCount, usageErr; got != want {
						wrong.Add(1)
					}
					recorded.Add(got)
				}
				if err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("read what was recorded: %w", err)
	}
	caller, err := state.Usage(v.caller)
	if err != nil {
		return fmt.Errorf("read what was recorded: %w", err)
	}
	cs.add("answered", answered.Load())
	cs.add("recorded", recorded.Load())
	cs.add("recorded_of_caller", caller.UseCount)
	if wrong.Load() > 0 || answered.Load() != recorded.Load() || caller.UseCount != answered.Load()+v.signIns {
		return fmt.Errorf("%d validations were answered, but %d uses of the tokens (%d tokens differ) and %d of the caller's are on record",
			answered.Load(), recorded.Load(), wrong.Load(), caller.UseCount)
	}
	return nil
}
