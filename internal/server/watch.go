package server

import (
	"context"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/follower"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// watchEvery is how often the node looks after what tells nobody of itself.
const watchEvery = 500 * time.Millisecond

// watch looks after the embedded server and its subscribers until the node stops.
func (s *Server) watch() {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		sick := 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				sick = s.watchBroker(sick)
				s.keepEvidence()
				s.subscribers.sweep(s)
			}
		}
	})
	wg.Go(func() { s.sweepOnChange(ctx) })
	s.onStop(func() { stop(); wg.Wait(); s.keepEvidence() })
}

// sweepOnChange looks after the subscribers as soon as events have been applied, which a
// revocation may be among. It takes no more than a tenth of a processor for it, and what
// it looks after between has waited for a few hundredths of a second.
func (s *Server) sweepOnChange(ctx context.Context) {
	for seq := s.runner.Applied(); s.runner.WaitFor(ctx, seq+1) == nil; {
		seq = s.runner.Applied()
		began := time.Now()
		s.subscribers.sweep(s)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(20*time.Millisecond, 10*time.Since(began))):
		}
	}
}

// keepEvidence notes outside of the read model, which may be deleted, how far the
// stream was applied.
func (s *Server) keepEvidence() {
	p := s.runner.Position()
	if err := s.identity.KeepEvidence(identity.Evidence{Seq: p.Seq, Hash: p.Hash}); err != nil {
		s.cfg.Logger.Warn("the evidence of what was applied could not be kept", "error", err)
	}
}

// watchBroker stops the node from serving when JetStream has stopped. JetStream
// itself does not answer then: who waits for it is told to wait no longer. Once is
// no proof: the server takes a pause of this process for its own failure. sick is how
// often in a row it was found so; the result is that number now.
func (s *Server) watchBroker(sick int) int {
	if s.broker == nil {
		return 0
	}
	err := s.broker.Healthy()
	if err == nil {
		return 0
	}
	if sick > 0 {
		s.follower.Refuse(&follower.Refusal{What: err.Error(), Hint: "what was acknowledged is safe; nothing more is taken until the node is started again"})
		s.store.Close()
	}
	return sick + 1
}

// subscribers are the tokens that NATS clients are signed in with.
type subscribers struct {
	mu sync.Mutex
	in map[ulid.ULID]time.Time // since when
}

func (b *subscribers) add(id ulid.ULID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.in == nil {
		b.in = make(map[ulid.ULID]time.Time)
	}
	b.in[id] = time.Now()
}

func (b *subscribers) list() (all []ulid.ULID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.in {
		all = append(all, id)
	}
	return all
}

// signInTime is how long, at the most, a client that was admitted takes to become
// a connection that can be closed.
const signInTime = 10 * time.Second

// drop takes the id off the list, unless a client may still be signing in with it.
func (b *subscribers) drop(id ulid.ULID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.in[id]) > signInTime {
		delete(b.in, id)
	}
}

// sweep closes the connections of those whose token is good no more: revoked,
// suspended or expired. NATS itself looks at a token only when a client signs in.
func (b *subscribers) sweep(s *Server) {
	now := commands.Clock(nil)()
	for _, id := range b.list() {
		c, ok, err := s.reader.Credential(id)
		if err == nil && ok && c.Status(now) == tokens.StatusActive {
			continue
		}
		b.drop(id)
		if n := s.broker.Disconnect(id.String()); n > 0 {
			s.cfg.Logger.Info("subscribers were disconnected: their token is good no more", "token", id.String(), "connections", n)
		}
	}
}
