package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands/secret"
)

// memorySuite is the only one that needs [Config.Program].
const memorySuite = "memory"

// remembering is the suite memory under way.
type remembering struct {
	b      *bench
	dir    string
	cs     Conditions
	tokens *holder
	most   float64 // MB, of the processes so far
}

// runMemory generates tokens, restarts the node, lists them all and validates each
// once, as fast as it goes, and has the system tell what the node's process held.
func runMemory(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	r := &remembering{b: b, dir: dir}
	r.cs.add("tokens", b.Tokens)
	r.cs.add("generating_callers", manyCallers)
	r.cs.add("validating_connections", connections)
	b.step("starting a node")
	err = r.with(ctx, func(p *process) error {
		empty, err := p.resident()
		o.floor = empty
		if err != nil {
			return err
		}
		return r.generate(ctx, p)
	})
	if err != nil {
		return o, nil, err
	}
	b.step("restarting the node")
	began := time.Now()
	err = r.with(ctx, func(p *process) error {
		r.cs.add("restart_to_ready_seconds", time.Since(began).Seconds())
		if err := r.note("resident_mb_when_ready", p.resident); err != nil {
			return err
		}
		if err := r.list(ctx, p); err != nil {
			return err
		}
		return r.validate(ctx, p)
	})
	o.value, o.ratio = r.most, r.most/o.floor
	return o, r.cs, err
}

// with runs a node while use does, and notes the most that it held.
func (r *remembering) with(ctx context.Context, use func(*process) error) error {
	p, err := r.b.startProcess(ctx, r.dir)
	if err != nil {
		return err
	}
	err = use(p)
	if most, mostErr := p.residentMost(); mostErr == nil {
		r.most = max(r.most, most)
	} else {
		err = errors.Join(err, mostErr)
	}
	return errors.Join(err, p.stop())
}

// note adds to the conditions what ask tells of the node.
func (r *remembering) note(name string, ask func() (float64, error)) error {
	mb, err := ask()
	r.cs.add(name, mb)
	return err
}

func (r *remembering) generate(ctx context.Context, p *process) error {
	r.tokens = &holder{text: make([]byte, 0, r.b.Tokens*secret.MaxLength)}
	idle := &http.Transport{MaxIdleConnsPerHost: manyCallers}
	defer idle.CloseIdleConnections()
	caller, err := client.New(client.Config{URL: p.url, Token: client.NewSecret(p.bearer), HTTPClient: &http.Client{Transport: idle}})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	err = r.each(ctx, manyCallers, "generating", func(ctx context.Context, _, i int) error {
		l := labels(uint64(i))
		made, err := caller.Generate(ctx, api.GenerateRequest{Name: l.Name, Site: l.Site, Owner: l.Owner, Scopes: l.Scopes, TTL: "90d"})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		r.tokens.add(secret.Of(made.Value.Secret.Reveal()))
		return nil
	})
	return errors.Join(err, r.note("resident_mb_most_generating", p.residentMost))
}

func (r *remembering) list(ctx context.Context, p *process) error {
	r.b.step("listing all tokens")
	listed := 0
	for _, err := range p.root.ListAll(ctx, api.ListRequest{Limit: 1000}) {
		if err != nil {
			return err
		}
		listed++
	}
	if want := r.tokens.len() + 1; listed != want { // with the root token
		return fmt.Errorf("%d tokens were listed, and there are %d", listed, want)
	}
	return r.note("resident_mb_most_listing", p.residentMost)
}

func (r *remembering) validate(ctx context.Context, p *process) error {
	clients := make([]*connection, connections)
	for i := range clients {
		c, err := dial(ctx, strings.TrimPrefix(p.url, "http://"), p.bearer, r.tokens.width)
		if err != nil {
			return fmt.Errorf("connect to the node: %w", err)
		}
		defer c.close()
		clients[i] = c
	}
	began := time.Now()
	err := r.each(ctx, connections, "validating", func(_ context.Context, worker, i int) error {
		clients[worker].until(time.Now().Add(time.Minute))
		return clients[worker].validate(r.tokens.at(i))
	})
	r.cs.add("validations_per_second", float64(r.tokens.len())/time.Since(began).Seconds())
	return errors.Join(err, r.note("resident_mb_most_validating", p.residentMost))
}

// each has workers do something for each token, and tells how far they are.
func (r *remembering) each(ctx context.Context, workers int, what string, do func(ctx context.Context, worker, i int) error) error {
	var next atomic.Int64
	_, err := callers(ctx, workers, time.Hour, func(ctx context.Context, worker int) error {
		i := int(next.Add(1)) - 1
		if i >= r.b.Tokens {
			return errUsedUp
		}
		if i%10_000 == 0 {
			r.b.step("%s, %d of %d", what, i, r.b.Tokens)
		}
		return do(ctx, worker, i)
	})
	return err
}
