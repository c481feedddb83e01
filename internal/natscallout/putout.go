package natscallout

import (
	"context"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

const (
	// lookEvery is how often the node looks whether the tokens are good that it let in
	// with, and whether it may answer at all.
	lookEvery = 500 * time.Millisecond
	// roundEvery is how often the node goes through the connections of all servers.
	roundEvery = 15 * time.Second
	// again is how long the node waits after it could not end a connection.
	again = 5 * time.Second
	// atOnce bounds the connections that are being ended at the same time.
	atOnce = 16
	// late is what is granted to the server's clock before a connection counts as ended
	// by it.
	late = time.Minute
)

// ended tells whether the token is known to be good no more.
func (s *Service) ended(id ulid.ULID) bool {
	ended, err := s.cfg.Ended(id)
	return err == nil && ended
}

// putOut ends the connections that this node let in and whose tokens have ended.
func (s *Service) putOut(ctx context.Context) {
	now := time.Now()
	for _, id := range s.inside.tokens(now.Add(-late)) {
		if now.Before(s.notBefore) || !s.ended(id) {
			continue
		}
		conns := s.inside.connections(id)
		gone := s.end(ctx, id, conns)
		for _, c := range gone {
			s.inside.remove(id, c)
		}
		if len(gone) < len(conns) {
			s.notBefore = time.Now().Add(again)
			return
		}
	}
}

// round goes through the connections of all servers and ends those whose tokens have
// ended: other nodes let them in, or this one before it was started anew.
func (s *Service) round(ctx context.Context) error {
	servers, err := s.system.servers(ctx)
	if err != nil {
		return err
	}
	for _, server := range servers {
		// Ended behind the last page: pages shift when connections end.
		found := make(map[ulid.ULID][]connection)
		good := make(map[ulid.ULID]bool)
		for page := range mostPages {
			listed, err := s.system.page(ctx, server, page*pageOf, pageOf)
			if err != nil {
				return err
			}
			for _, c := range listed.Connections {
				id, err := ulid.ParseStrict(c.User)
				if err != nil || !s.cfg.Accounts.Has(c.Account) || good[id] {
					continue
				}
				if _, ok := found[id]; !ok && !s.ended(id) {
					good[id] = true
					continue
				}
				found[id] = append(found[id], connection{server, c.CID})
			}
			if len(listed.Connections) < pageOf {
				break
			}
		}
		for id, conns := range found {
			s.end(ctx, id, conns)
		}
	}
	return nil
}

// end ends connections, and gives those that are gone.
func (s *Service) end(ctx context.Context, id ulid.ULID, conns []connection) (gone []connection) {
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for _, c := range conns {
		turn <- struct{}{}
		mu.Lock()
		enough := failed != nil
		mu.Unlock()
		if enough {
			break
		}
		wg.Go(func() {
			defer func() { <-turn }()
			err := s.system.kick(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			gone = append(gone, c)
		})
	}
	wg.Wait()
	if len(gone) > 0 {
		s.log.Info("NATS clients were disconnected: their token is good no more", "token", id.String(), "connections", len(gone))
	}
	if failed != nil && ctx.Err() == nil {
		s.log.Warn("NATS clients whose token is good no more could not be disconnected; it is tried again, and the server ends them when their time is over",
			"token", id.String(), "connections", len(conns)-len(gone), "error", failed)
	}
	return gone
}
