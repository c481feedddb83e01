package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// killRounds is how often TestKill kills the node; `make chaos` sets more.
func killRounds(t *testing.T) int {
	if s := os.Getenv("TOKENLEDGER_KILL_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return 3
	}
	return 50
}

// witness is what was acknowledged to the callers: what must be there afterwards.
type witness struct {
	mu      sync.Mutex
	tokens  []*seen
	asked   int // generate requests sent
	revoked int
}

// seen is one token as its callers know it.
type seen struct {
	id, secret string
	// revoked is when the revocation was acknowledged.
	revoked bool
	// revoking says that a revocation was sent and not answered.
	revoking bool
	// answered counts the validations answered active, unknown those that were
	// sent and not answered.
	answered, unknown uint64
}

// TestKill kills a node under load with SIGKILL, over and over, and looks after
// each restart for what was acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	w := &witness{}
	random := rand.New(rand.NewPCG(1, 2))
	rounds := killRounds(t)
	for round := range rounds {
		stop := make(chan struct{})
		var load sync.WaitGroup
		// So many that commands share atomic batches, which are begun when more than
		// sixteen events are on their way.
		for worker := range 24 {
			load.Go(func() { w.load(n.client(), worker, stop) })
		}
		// The load runs for a moment that differs each time, to be cut off at
		// another place each time.
		time.Sleep(time.Duration(20+random.IntN(250)) * time.Millisecond)
		n.kill()
		close(stop)
		load.Wait()
		n.start()
		w.check(t, n.client(), round)
		if t.Failed() {
			return
		}
	}
	if len(w.tokens) < rounds || w.revoked == 0 {
		t.Fatalf("only %d tokens and %d revocations in %d rounds: there was no load", len(w.tokens), w.revoked, rounds)
	}
	n.stop()
	n.start()
	w.checkUses(t, n.client())
	t.Logf("%d kills: %d tokens generated, %d revoked", rounds, len(w.tokens), w.revoked)
}

// load generates, validates and revokes until the node is gone.
func (w *witness) load(c *client.Client, worker int, stop <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	random := rand.New(rand.NewPCG(uint64(worker), uint64(time.Now().UnixNano())))
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		w.mu.Lock()
		w.asked++
		name := fmt.Sprintf("token %d", w.asked)
		w.mu.Unlock()
		g, err := c.Generate(ctx, api.GenerateRequest{Name: name, Site: "s" + strconv.Itoa(worker), Scopes: []string{"a"}})
		if err != nil {
			return
		}
		s := &seen{id: g.Value.Token.ID, secret: g.Value.Secret.Reveal()}
		w.mu.Lock()
		w.tokens = append(w.tokens, s)
		w.mu.Unlock()
		for range 1 + random.IntN(4) {
			w.mu.Lock()
			s.unknown++
			w.mu.Unlock()
			a, err := c.Validate(ctx, api.ValidateRequest{Token: s.secret, ClientIP: "192.0.2." + strconv.Itoa(worker)})
			if err != nil {
				return
			}
			if !a.Active {
				panic("a fresh token is not active: " + a.Reason)
			}
			w.mu.Lock()
			s.unknown--
			s.answered++
			w.mu.Unlock()
		}
		if random.IntN(2) == 0 {
			w.mu.Lock()
			s.revoking = true
			w.mu.Unlock()
			if _, err := c.Revoke(ctx, s.id, api.RevokeRequest{ReasonCode: "unused"}); err != nil {
				return
			}
			w.mu.Lock()
			s.revoked, s.revoking = true, false
			w.revoked++
			w.mu.Unlock()
		}
	}
}

// check asks the node for everything that was acknowledged so far.
func (w *witness) check(t *testing.T, c *client.Client, round int) {
	t.Helper()
	have := map[string]api.Token{}
	names := map[string]int{}
	for tok, err := range c.ListAll(t.Context(), api.ListRequest{Limit: 1000}) {
		if err != nil {
			t.Fatalf("round %d: list: %v", round, err)
		}
		have[tok.ID] = tok
		names[tok.Name]++
	}
	for name, n := range names {
		if n != 1 {
			t.Errorf("round %d: %q is there %d times", round, name, n)
		}
	}
	// Those of the latest rounds are validated too; every one is looked at.
	for i, s := range w.tokens {
		tok, ok := have[s.id]
		if !ok {
			t.Errorf("round %d: token %s was acknowledged and is gone", round, s.id)
			continue
		}
		if s.revoked && tok.Status != "revoked" || !s.revoked && !s.revoking && tok.Status != "active" {
			t.Errorf("round %d: token %s is %s; revoked %v, being revoked %v", round, s.id, tok.Status, s.revoked, s.revoking)
		}
		if len(w.tokens)-i > 20 {
			continue
		}
		a, err := c.Validate(t.Context(), api.ValidateRequest{Token: s.secret})
		if err != nil {
			t.Fatalf("round %d: validate: %v", round, err)
		}
		if a.Active {
			s.answered++
		}
		if s.revoked && (a.Active || a.Reason != "revoked") {
			t.Errorf("round %d: token %s was revoked, and validates: %+v", round, s.id, a)
		}
	}
}

// checkUses holds the counters against the answers. The node was stopped in
// order, so nothing waits in its journal.
func (w *witness) checkUses(t *testing.T, c *client.Client) {
	t.Helper()
	have := map[string]uint64{}
	for tok, err := range c.ListAll(t.Context(), api.ListRequest{Limit: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		have[tok.ID] = tok.UseCount
	}
	for _, s := range w.tokens {
		if got := have[s.id]; got < s.answered || got > s.answered+s.unknown {
			t.Errorf("token %s has %d uses; %d were answered, %d got no answer", s.id, got, s.answered, s.unknown)
		}
	}
}
