package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// asking is a suite of questions under way: a log with its read model and its index,
// without a node.
type asking struct {
	log    *auditLog
	reader *tokens.Reader
	asker  *questions.Asker
	ids    []ulid.ULID
	rng    *rand.Rand
	took   []time.Duration
	undo   []func() error
	// indexing is how long the index took to take in the log.
	indexing time.Duration
}

// openAsking makes a log of n events.
func (b *bench) openAsking(ctx context.Context, dir string, n int) (a *asking, err error) {
	a = &asking{rng: rand.New(rand.NewPCG(5, 6))}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.log, err = b.openAudit(dir); err != nil {
		return a, err
	}
	a.undo = append(a.undo, a.log.Close)
	projection := tokens.New(tokens.Config{})
	runner, err := projections.Open(filepath.Join(dir, "projections"), b.Logger, nil, projection)
	if err != nil {
		return a, err
	}
	a.undo = append(a.undo, runner.Close)
	a.reader = projection.Reader()
	r, err := b.fillAudit(ctx, a.log, n, runner.Apply)
	if err != nil {
		return a, err
	}
	a.ids = r.ids
	x := index.New(index.Config{Dir: filepath.Join(dir, "index"), Log: a.log, Logger: b.Logger})
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = x.Run(running) }) // whoever asks is told of its error
	a.undo = append(a.undo, func() error { stop(); wg.Wait(); return nil })
	b.step("indexing %d events", n)
	began := time.Now()
	if err := x.WaitFor(ctx, uint64(n)); err != nil {
		return a, err
	}
	a.indexing = time.Since(began)
	a.asker = questions.New(questions.Config{Log: a.log, Index: x, Tokens: a.reader, Projections: runner})
	return a, nil
}

func (a *asking) close() (err error) {
	for _, f := range slices.Backward(a.undo) {
		err = errors.Join(err, f())
	}
	return err
}

// everything is whom the questions are about.
var everything = questions.Scope{AllTenants: true}

// conditions tells of the ledger, and how long one question took.
func (a *asking) conditions(n int, cs *Conditions) {
	slices.Sort(a.took)
	cs.add("events", n)
	cs.add("tokens", len(a.ids))
	cs.add("question_p50_ms", a.took[len(a.took)/2].Seconds()*1e3)
	cs.add("question_p99_ms", a.took[len(a.took)*99/100].Seconds()*1e3)
	cs.add("indexed_events_per_second", float64(n)/a.indexing.Seconds())
}

// ask times single questions, one after another.
func (a *asking) ask(question func(ctx context.Context) error) slice {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return callers(ctx, 1, d, func(ctx context.Context, _ int) error {
			began := time.Now()
			err := question(ctx)
			a.took = append(a.took, time.Since(began))
			return err
		})
	}
}

// runTrace tells the whole story of random tokens, beside reading the events of each
// from the log by their sequences.
func runTrace(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	a, err := b.openAsking(ctx, dir, b.Tokens)
	if err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	any := func() ulid.ULID { return a.ids[a.rng.IntN(len(a.ids))] }
	read := func(ctx context.Context, d time.Duration) (sample, error) {
		return callers(ctx, 1, d, func(context.Context, int) error {
			seqs, err := a.reader.History(any(), 0, 0)
			if err != nil {
				return err
			}
			for _, seq := range seqs {
				if _, err := a.log.Event(seq); err != nil {
					return err
				}
			}
			return nil
		})
	}
	trace := a.ask(func(ctx context.Context) error {
		_, err := a.asker.Story(ctx, everything, any())
		return err
	})
	if o, err = b.alternate(ctx, b.Slice, read, trace); err != nil {
		return o, nil, err
	}
	a.conditions(b.Tokens, &cs)
	return o, cs, nil
}

// runAsOf counts the tokens that were good at random moments, beside a walk over all of
// them that judges none.
func runAsOf(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	// Of the events every second one makes a token.
	n := 2 * b.Tokens
	a, err := b.openAsking(ctx, dir, n)
	if err != nil {
		return o, nil, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	walk := func(ctx context.Context, d time.Duration) (sample, error) {
		return callers(ctx, 1, d, func(context.Context, int) error {
			return a.reader.Walk(tokens.Region{AllTenants: true}, func(*tokens.Glance) (bool, error) { return true, nil })
		})
	}
	counted := uint64(0)
	count := a.ask(func(ctx context.Context) error {
		// Late enough that most tokens are there.
		seq := uint64(n - 1 - a.rng.IntN(n/100))
		c, err := a.asker.Count(ctx, questions.AsOfQuery{Scope: everything, At: questions.Moment{Seq: seq}, Status: tokens.StatusActive})
		counted = c.Tokens
		return err
	})
	if o, err = b.alternate(ctx, b.Slice, walk, count); err != nil {
		return o, nil, err
	}
	if counted == 0 {
		return o, nil, fmt.Errorf("no token was good")
	}
	a.conditions(n, &cs)
	cs.add("good_of_them", counted)
	return o, cs, nil
}
