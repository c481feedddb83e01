package natscallout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// group is the queue group in which nodes share the requests.
	group = "tokenledger"
	// workers answer requests, each one at a time: a token of which the node has not
	// heard yet is waited for, up to half a second.
	workers = 128
	// share is how many of them one address may keep busy, and crowd how many more work
	// for all addresses that want more than that. So who tries out forged tokens from one
	// address keeps nobody else waiting, and many clients behind one address are still let in.
	share, crowd = 32, 32
	// waiting bounds the requests that wait for one.
	waiting = 1024
	// giveUp is how long after its arrival a request is still answered. The server waits
	// for two seconds, if its configuration says nothing else.
	giveUp = 1500 * time.Millisecond
)

// The bounds of [Config.TTL].
const (
	ShortestTTL = 5 * time.Second
	LongestTTL  = 24 * time.Hour
)

// Service answers a server's requests. Close ends it.
type Service struct {
	cfg    Config
	log    *slog.Logger
	system system
	inside inside
	queue  chan arrival
	// crowded are requests, decoded, from addresses that have their share of workers.
	crowded chan decoded
	busy    shares
	// dropped counts requests that were not answered in time.
	dropped atomic.Uint64
	// notBefore is when connections may be ended again; of putOut's goroutine.
	notBefore time.Time
	sub       *nats.Subscription // of the goroutine that runs follow
	stop      context.CancelFunc
	wg        sync.WaitGroup
}

type arrival struct {
	msg *nats.Msg
	at  time.Time
}

type decoded struct {
	arrival
	request
}

// Start answers requests from when it returns, if the ledger may be relied on then, until
// Close. An error says what is wrong with the settings or the connections.
func Start(ctx context.Context, cfg Config) (*Service, error) {
	if err := cfg.Accounts.Check(); err != nil {
		return nil, err
	}
	if cfg.TTL < ShortestTTL || cfg.TTL > LongestTTL {
		return nil, fmt.Errorf("clients cannot be let in for %s; it takes %s to %s", cfg.TTL, ShortestTTL, LongestTTL)
	}
	s := &Service{cfg: cfg, log: cfg.Logger, system: system{cfg.System}, queue: make(chan arrival, waiting), crowded: make(chan decoded, waiting)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.System != nil {
		if err := s.system.check(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.follow(); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	for range workers {
		s.wg.Go(func() { s.work(running) })
	}
	for range crowd {
		s.wg.Go(func() { s.workForTheCrowd(running) })
	}
	s.wg.Go(func() { s.look(running) })
	if cfg.System != nil {
		s.wg.Go(func() { s.rounds(running) })
	}
	return s, nil
}

// Close takes no more requests and returns when those under way are done with. Clients
// that are in stay until their time is over.
func (s *Service) Close() {
	s.stop()
	s.wg.Wait()
	s.leave()
}

// follow takes requests while the ledger may be relied on, and leaves them to other nodes
// while it may not.
func (s *Service) follow() error {
	fresh := s.cfg.Fresh()
	switch {
	case fresh != nil && s.sub != nil:
		s.log.Warn("NATS clients are not let in by this node any more", "error", fresh)
		s.leave()
	case fresh == nil && s.sub == nil:
		sub, err := s.cfg.Conn.QueueSubscribe(requestSubject, group, s.arrived)
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", requestSubject, err)
		}
		s.sub = sub
		// Whoever hears that the node is ready may connect.
		if err := s.cfg.Conn.FlushTimeout(askFor); err != nil && s.cfg.Conn.IsConnected() {
			return fmt.Errorf("subscribe to %s: %w", requestSubject, err)
		}
		s.log.Info("NATS clients are let in by this node")
	}
	return nil
}

func (s *Service) leave() {
	if s.sub != nil {
		_ = s.sub.Unsubscribe() // it is over with the connection, too
		s.sub = nil
	}
}

// arrived runs on the connection's goroutine, which must not wait.
func (s *Service) arrived(m *nats.Msg) {
	select {
	case s.queue <- arrival{m, time.Now()}:
	default:
		s.dropped.Add(1)
	}
}

func (s *Service) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.follow(); err != nil {
				s.log.Warn("NATS clients are not let in by this node", "error", err)
			}
			if n := s.dropped.Swap(0); n > 0 {
				s.log.Warn("requests to let NATS clients in were not answered: more came than can be answered in time", "requests", n)
			}
			if s.cfg.System != nil {
				s.putOut(ctx)
			}
		}
	}
}

func (s *Service) rounds(ctx context.Context) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		if err := s.round(ctx); err != nil && ctx.Err() == nil && s.cfg.System.IsConnected() {
			s.log.Warn("the connections of the NATS servers could not be gone through", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-s.queue:
			s.take(ctx, a)
		}
	}
}

func (s *Service) workForTheCrowd(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.crowded:
			s.answer(ctx, d)
		}
	}
}

// take reads one request and answers it, or leaves it to those who work for the crowd. What
// cannot be read is not answered; the server refuses the client when it has waited long
// enough.
func (s *Service) take(ctx context.Context, a arrival) {
	if time.Since(a.at) > giveUp {
		s.dropped.Add(1)
		return
	}
	r, err := decode(a.msg.Data, a.msg.Header.Get(xkeyHeader), s.cfg.Keys, a.at)
	if err != nil {
		s.log.Warn("a request to let a NATS client in was passed over", "error", err)
		return
	}
	if s.busy.take(r.host) {
		defer s.busy.give(r.host)
		s.answer(ctx, decoded{a, r})
		return
	}
	select {
	case s.crowded <- decoded{a, r}:
	default:
		s.dropped.Add(1)
	}
}

func (s *Service) answer(ctx context.Context, d decoded) {
	ctx, cancel := context.WithDeadline(ctx, d.at.Add(giveUp))
	defer cancel()
	if ctx.Err() != nil {
		s.dropped.Add(1)
		return
	}
	jwt, err := s.letIn(ctx, d.request)
	if err != nil {
		s.log.Warn("a NATS client was refused", "remote", d.host, "error", err)
	}
	answer, err := encode(d.request, jwt, s.cfg.Keys)
	if err == nil {
		err = d.msg.Respond(answer)
	}
	if err != nil {
		s.log.Warn("a request to let a NATS client in was not answered", "error", err)
	}
}

// letIn gives the user JWT of a client whose token is good.
func (s *Service) letIn(ctx context.Context, r request) (string, error) {
	token, name, err := r.shown()
	if err != nil {
		return "", err
	}
	who, err := s.cfg.Admit(ctx, token, r.host)
	if err != nil {
		return "", err
	}
	if name != "" && name != who.Token.String() {
		return "", errors.New("token " + who.Token.String() + " was shown as the password of another user than its own id")
	}
	if len(who.Subscribe)+len(who.Publish) == 0 {
		return "", errors.New("token " + who.Token.String() + " holds no permission on NATS")
	}
	now := time.Now()
	until := s.until(now, who.Ends)
	if until.Unix() <= now.Unix() {
		return "", errors.New("token " + who.Token.String() + " is about to end")
	}
	account := s.cfg.Accounts.Of(who.Tenant, who.AllTenants)
	signed, err := user(r, who, account, until, s.cfg.Keys)
	if err != nil {
		return "", err
	}
	if s.cfg.System != nil {
		// Before the answer: from then on it may be put out.
		s.inside.add(who.Token, connection{r.server, r.client}, until)
	}
	return signed, nil
}

// until is when a client that is let in now has to be out.
func (s *Service) until(now, ends time.Time) time.Time {
	in := s.cfg.TTL - rand.N(s.cfg.TTL/8)
	if t := now.Add(in); ends.IsZero() || t.Before(ends) {
		return t
	}
	return ends
}
