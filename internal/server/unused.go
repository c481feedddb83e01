package server

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
)

// When the policy on unused tokens is carried out, unless Config says otherwise.
const (
	unusedFirst = 5 * time.Minute
	unusedEvery = time.Hour
)

// enforceUnused carries out the policy on unused tokens, from some minutes after the start
// on, until the node stops.
func (s *Server) enforceUnused() {
	if s.cfg.Policy.RevokeUnused == 0 {
		return
	}
	var revoked atomic.Uint64
	var last atomic.Int64 // when it was carried out whole, in Unix seconds
	last.Store(time.Now().Unix())
	s.metrics.Gauge("policy_unused_revoked", "Tokens that this node has revoked since its start because nobody used them.", func() float64 { return float64(revoked.Load()) })
	s.metrics.Gauge("policy_unused_age_seconds", "Time since the policy on unused tokens was carried out whole, or since the start.", func() float64 { return float64(time.Now().Unix() - last.Load()) })
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		first := cmp.Or(s.cfg.UnusedFirst, unusedFirst)
		// Several nodes that start together do the same work at different times.
		wait := time.NewTimer(first + rand.N(first))
		defer wait.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-wait.C:
			}
			n, err := s.revokeUnused(ctx)
			revoked.Add(uint64(n))
			if n > 0 {
				s.cfg.Logger.Info("unused tokens were revoked, as the policy says", "tokens", n, "unused_for", s.cfg.Policy.RevokeUnused)
			}
			switch {
			case err == nil:
				last.Store(time.Now().Unix())
			case ctx.Err() == nil:
				s.cfg.Logger.Warn("the policy on unused tokens could not be carried out whole; it is tried again later", "error", err, "in", cmp.Or(s.cfg.UnusedEvery, unusedEvery))
			}
			wait.Reset(cmp.Or(s.cfg.UnusedEvery, unusedEvery))
		}
	})
	s.onStop(func() { stop(); wg.Wait() })
}

// revokeUnused carries the policy out once.
func (s *Server) revokeUnused(ctx context.Context) (int, error) {
	if lag := s.uses.Lag(); lag > commands.UnusedMargin/2 {
		return 0, &commands.Error{Kind: commands.Unavailable, Code: "use_not_recorded", Detail: "uses have waited in this node's journal for " + lag.String() + ", and would be missing", Hint: "see to the stream"}
	}
	// A subscriber signs in once, and then is in use for as long as it listens.
	listening := s.subscribers.list()
	return s.ledger.Load().RevokeUnused(ctx, s.identity.Node, func(id ulid.ULID) bool { return slices.Contains(listening, id) })
}
