package natsserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a running NATS server. Its methods are safe for concurrent use.
type Server struct {
	nats     *server.Server
	auth     *authenticator
	log      *logger
	storeDir string
	listens  bool

	requesters requesters
}

// Start runs a server. It returns when all streams are recovered and JetStream
// answers; with many events and no index file (after a crash) that can take
// long. Errors are a [*ListenError] (the address is taken or wrong), a
// [*JetStreamError] (the directory or its disk), or say what in the
// configuration is wrong. After an error nothing is left running.
func Start(cfg Config) (*Server, error) {
	opts, err := cfg.serverOptions()
	if err != nil {
		return nil, err
	}
	if err := probeListen(cfg, opts); err != nil {
		return nil, err
	}
	log := newLogger(cfg.Logger)
	auth := newAuthenticator(cfg, log.to)
	opts.CustomClientAuthentication = auth
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start NATS server: %w", err)
	}
	ns.SetLoggerV2(log, log.to.Enabled(context.Background(), slog.LevelDebug), false, false)
	s := &Server{nats: ns, auth: auth, log: log, storeDir: cfg.StoreDir, listens: !opts.DontListen}
	// Returns when the streams are recovered and the listener is open, or when a
	// fatal error was reported.
	ns.Start()
	if err := s.ready(cfg.Listen); err != nil {
		s.Shutdown()
		return nil, err
	}
	// Until then nobody is given an account: who comes is refused, and comes again.
	if err := auth.accounts.open(ns); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

// probeListen opens and closes the listener's address, because the server tells
// only the text of what kept it from listening.
func probeListen(cfg Config, opts *server.Options) error {
	if opts.DontListen {
		return nil
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		cause := err
		if op, ok := errors.AsType[*net.OpError](err); ok {
			cause = op.Err
		}
		return &ListenError{Addr: cfg.Listen, Err: cause}
	}
	return l.Close()
}

// ready reports what kept the server from starting, and asks JetStream a
// question to see that it answers.
func (s *Server) ready(listen string) error {
	if cause := s.log.fatalError(); cause != "" {
		if s.listens && s.nats.Addr() == nil && s.nats.JetStreamEnabled() {
			return &ListenError{Addr: listen, Err: errors.New(cause)}
		}
		return &JetStreamError{StoreDir: s.storeDir, Cause: cause}
	}
	if !s.nats.ReadyForConnections(10 * time.Second) {
		return errors.New("start NATS server: it does not accept connections 10 s after it started")
	}
	if err := s.Healthy(); err != nil {
		return err
	}
	nc, err := s.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Request("$JS.API.INFO", nil, 10*time.Second); err != nil {
		return &JetStreamError{StoreDir: s.storeDir, Cause: "it does not answer: " + err.Error()}
	}
	return nil
}

// Connect opens a connection inside the process, without a network, that may do
// everything. It does not buffer what is published while it is not connected:
// publishing then is an error, at once. The caller closes it before Shutdown.
// Options given override these.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{
		nats.InProcessServer(s.nats),
		nats.UserInfo(s.auth.nodeUser, s.auth.nodeSecret),
		nats.Name("tokenledger node"),
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		// Without a handler the client writes to standard error.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.log.to.Warn("the node's NATS connection", "error", redact(err.Error()))
		}),
	}, opts...)
	nc, err := nats.Connect("", all...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return nc, nil
}

// ClientURL is where TCP clients connect, "nats://host:port" (or "tls://…") with
// the port that was picked; "" without a listener.
func (s *Server) ClientURL() string {
	if !s.listens {
		return ""
	}
	return s.nats.ClientURL()
}

// Healthy reports why events cannot be stored: the server was shut down,
// JetStream stopped (the disk is full or failed), or a stream cannot be
// recovered or written. A nil error says nothing about events that a damaged
// disk lost; the node finds that by other means. It takes a few system calls.
func (s *Server) Healthy() error {
	if !s.nats.Running() {
		return errors.New("the embedded NATS server was shut down")
	}
	if cause := s.log.fatalError(); cause != "" {
		return &JetStreamError{StoreDir: s.storeDir, Cause: cause}
	}
	if !s.nats.JetStreamEnabled() {
		cause := s.log.lastErrorText()
		if cause == "" {
			cause = "it was switched off"
		}
		return &JetStreamError{StoreDir: s.storeDir, Cause: cause}
	}
	// The server gives itself a millisecond to see that it listens. Where the process is
	// held up for that long it has looked at nothing, and says that it is not ready. So
	// an error counts when it comes again and again.
	var cause string
	for range healthTries {
		if cause = s.nats.Healthz(nil).Error; cause == "" {
			return nil
		}
	}
	return &JetStreamError{StoreDir: s.storeDir, Cause: cause}
}

// healthTries is how often a server that says that it is not healthy is asked.
const healthTries = 5

// Unrecovered says why a stream of the store was left out when the server started;
// empty if none was.
func (s *Server) Unrecovered() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.unrecovered
}

// Disconnect closes the TCP connections of the clients that signed in under
// name (see [Permissions]), and reports how many there were. They may come back,
// and are authenticated again.
func (s *Server) Disconnect(name string) int {
	if !validName(name) { // as the node's own is not
		return 0
	}
	// A connection that was told to close may be listed a little longer.
	told := make(map[uint64]bool)
	for {
		conns, err := s.nats.Connz(&server.ConnzOptions{Username: true, User: s.auth.names.sign(name), Limit: 1 << 20})
		if err != nil {
			return len(told)
		}
		before := len(told)
		for _, c := range conns.Conns {
			if !told[c.Cid] && s.nats.DisconnectClientByID(c.Cid) == nil {
				told[c.Cid] = true
			}
		}
		if len(told) == before {
			return len(told)
		}
	}
}

// Shutdown ends all connections, writes what is to be written and closes the
// streams. It returns when that is done. A second call does nothing.
func (s *Server) Shutdown() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}
