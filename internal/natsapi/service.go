package natsapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// Caller is who sent a request, as told by the connection that it came from.
type Caller struct {
	// Token is the id of the token that the connection was opened with.
	Token ulid.ULID
	// Host is the address that the connection comes from.
	Host string
	// Client is what the client calls itself; it can be any text.
	Client string
}

// Config is what the service works with.
type Config struct {
	// Conn is the service's own: what it does not keep up with would hold up others on
	// it. Stop does not close it.
	Conn   *nats.Conn
	Ledger *ledger.Ledger
	// Caller tells from the header of a request who sent it. It gives nothing that a
	// client can choose. Nil where that is not known: each request has to bear a token.
	Caller func(nats.Header) (Caller, bool)
	Logger *slog.Logger
	// Observe is told of every answer.
	Observe func(status int, took time.Duration)
	// Version is this build's.
	Version string
}

// The bounds of what is held at a time.
const (
	// maxWorkers are answered at a time. Most of their time goes into waiting for the
	// record of the use, which they share; with --usage-durability strict that takes a
	// window.
	maxWorkers = 512
	// maxWaiting requests wait for a worker, and all that are held have so many bytes.
	maxWaiting = 2048
	maxHeld    = 32 << 20
)

// Service answers validations.
type Service struct {
	cfg     Config
	id      string
	started time.Time

	subs []*nats.Subscription
	// ended is told by each subscription that it calls nobody any more.
	ended chan struct{}

	queue   chan *nats.Msg
	held    atomic.Int64 // bytes of the requests in the queue and with workers
	idle    atomic.Int64
	workers atomic.Int64
	running sync.WaitGroup
	// mu is held to start a worker and to stop them.
	mu      sync.Mutex
	stopped bool
	// ctx is that of all requests.
	ctx  context.Context
	stop context.CancelFunc

	figures figures
}

// Start takes requests, until Stop. An error means that none are taken.
func Start(cfg Config) (*Service, error) {
	s := &Service{
		cfg: cfg, id: nuid.Next(), started: time.Now().UTC(),
		queue: make(chan *nats.Msg, maxWaiting),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.subscribe(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("serve %s: %w", auth.ValidateSubject, err)
	}
	return s, nil
}

func (s *Service) subscribe() error {
	take := map[string]nats.MsgHandler{}
	for verb, say := range map[micro.Verb]func() any{micro.PingVerb: s.ping, micro.InfoVerb: s.info, micro.StatsVerb: s.stats} {
		for _, who := range [][2]string{{"", ""}, {auth.ServiceName, ""}, {auth.ServiceName, s.id}} {
			subject, err := micro.ControlSubject(verb, who[0], who[1])
			if err != nil {
				return err
			}
			take[subject] = s.says(say)
		}
	}
	s.ended = make(chan struct{}, len(take)+1)
	add := func(sub *nats.Subscription, err error) error {
		if err != nil {
			return err
		}
		sub.SetClosedHandler(func(string) { s.ended <- struct{}{} })
		s.subs = append(s.subs, sub)
		return nil
	}
	for subject, handle := range take {
		if err := add(s.cfg.Conn.Subscribe(subject, handle)); err != nil {
			return err
		}
	}
	if err := add(s.cfg.Conn.QueueSubscribe(auth.ValidateSubject, micro.DefaultQueueGroup, s.take)); err != nil {
		return err
	}
	return s.cfg.Conn.FlushTimeout(10 * time.Second)
}

// drainWithin bounds how long Stop waits for requests that have arrived.
const drainWithin = 5 * time.Second

// Stop takes no more requests and returns when those that had arrived are answered, or
// a few seconds have gone by.
func (s *Service) Stop() {
	timer := time.NewTimer(drainWithin)
	defer timer.Stop()
	draining := 0
	for _, sub := range s.subs {
		if sub.Drain() == nil {
			draining++
		}
	}
	for range draining {
		select {
		case <-s.ended:
			continue
		case <-timer.C:
		}
		s.cfg.Logger.Warn("requests over NATS were left: they did not come to an end in time")
		break
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	// Requests that wait for something are told to wait no longer.
	cut := time.AfterFunc(drainWithin, s.stop)
	for range s.workers.Load() {
		s.queue <- nil // behind the requests that wait
	}
	s.running.Wait()
	cut.Stop()
	s.stop()
	_ = s.cfg.Conn.FlushTimeout(time.Second)
}

// take hands a request to a worker. It never waits.
func (s *Service) take(m *nats.Msg) {
	if !answerable(m.Reply) {
		s.unanswerable()
		return
	}
	if len(m.Data) > maxRequest {
		s.refuse(m, tooLarge())
		return
	}
	size := int64(m.Size())
	if s.held.Add(size) > maxHeld {
		s.held.Add(-size)
		s.refuse(m, overloaded())
		return
	}
	select {
	case s.queue <- m:
	default:
		s.held.Add(-size)
		s.refuse(m, overloaded())
		return
	}
	if s.idle.Load() < int64(len(s.queue)) && s.workers.Load() < maxWorkers {
		s.hire()
	}
}

// hire starts a worker. Each stays until the service stops.
func (s *Service) hire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.workers.Add(1)
		s.running.Go(s.work)
	}
}

func (s *Service) unanswerable() {
	s.cfg.Logger.Debug("a request over NATS was passed over: its reply subject is no inbox (_INBOX.…)")
}

func overloaded() error {
	return &commands.Error{Kind: commands.Unavailable, Code: "overloaded",
		Detail: "more requests are under way on this node than it takes at a time; yours was not looked at", Hint: "ask again shortly, with fewer at a time"}
}

// work answers requests until it is given none.
func (s *Service) work() {
	for {
		s.idle.Add(1)
		m := <-s.queue
		s.idle.Add(-1)
		if m == nil {
			return
		}
		s.serve(m)
	}
}

func (s *Service) serve(m *nats.Msg) {
	began := time.Now()
	defer s.held.Add(-int64(m.Size()))
	requestID := wire.RequestID(m.Header.Get("X-Request-Id"))
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Logger.Error("a request made the node panic", "subject", auth.ValidateSubject, "request_id", requestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.problem(m, errors.New("panic"), requestID, began)
		}
	}()
	body, err := s.validate(m, requestID)
	if err != nil {
		s.problem(m, err, requestID, began)
		return
	}
	s.answered(http.StatusOK, began, s.cfg.Conn.Publish(m.Reply, body))
}

// validate gives the body of the answer.
func (s *Service) validate(m *nats.Msg, requestID string) ([]byte, error) {
	session, err := s.signIn(m.Header, requestID)
	if err != nil {
		return nil, err
	}
	r, err := read(m.Data)
	if err == nil {
		var v commands.Verdict
		if v, err = s.cfg.Ledger.Validate(s.ctx, session, r.cmd, r.minSeq); err == nil {
			return wire.AppendAnswer(make([]byte, 0, 512), v)
		}
	}
	// The request may have gone wrong before it came to where the use of the caller's
	// token is recorded.
	return nil, errors.Join(s.cfg.Ledger.Finish(s.ctx, session), err)
}

// signIn settles who calls. A token in the request comes before the connection's.
func (s *Service) signIn(h nats.Header, requestID string) (auth.Session, error) {
	const resource = "NATS " + auth.ValidateSubject
	token, given, err := bearer(h)
	if err != nil {
		return auth.Session{}, err
	}
	var caller Caller
	var known bool
	if s.cfg.Caller != nil {
		caller, known = s.cfg.Caller(h)
	}
	origin := events.Origin{IP: caller.Host, UserAgent: commands.Clean(caller.Client), RequestID: requestID}
	switch {
	case given:
		return s.cfg.Ledger.SignIn(s.ctx, token, origin, resource)
	case known:
		return s.cfg.Ledger.Recognize(s.ctx, caller.Token, origin, resource)
	}
	return auth.Session{}, &commands.Error{Kind: commands.Unauthenticated, Code: "no_token",
		Detail: "the request bears no token", Hint: `send the header "Authorization: Bearer tl_…" with a token of this ledger`}
}

// refuse answers a request that is not looked at.
func (s *Service) refuse(m *nats.Msg, err error) {
	s.problem(m, err, wire.RequestID(m.Header.Get("X-Request-Id")), time.Now())
}

// problem answers with err.
func (s *Service) problem(m *nats.Msg, err error, requestID string, began time.Time) {
	e := wire.ErrorOf(err)
	status := wire.StatusOf(e.Kind)
	if status >= 500 && e.Code != "overloaded" { // which comes in floods, and is counted
		s.cfg.Logger.Warn("a request could not be answered", "subject", auth.ValidateSubject, "status", status, "code", e.Code, "detail", e.Detail, "cause", e.Cause, "request_id", requestID)
	}
	s.figures.failed(e.Code)
	s.answered(status, began, s.cfg.Conn.PublishMsg(&nats.Msg{
		Subject: m.Reply,
		Header: nats.Header{
			micro.ErrorCodeHeader: []string{strconv.Itoa(status)},
			micro.ErrorHeader:     []string{e.Detail},
			"Content-Type":        []string{"application/problem+json"},
		},
		Data: wire.Problem(e, status, requestID),
	}))
}

// answered counts an answer. One that could not be sent was still worked out, and is on
// record; who asked does not hear, and asks again.
func (s *Service) answered(status int, began time.Time, sent error) {
	took := time.Since(began)
	s.figures.answered(took)
	s.cfg.Observe(status, took)
	if sent != nil {
		s.cfg.Logger.Debug("an answer over NATS was not sent", "error", sent)
	}
}
