package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/tokenledger/tokenledger/internal/extauthz"
)

// extAuthz is the listener for Envoy.
type extAuthz struct {
	listener net.Listener
	server   *extauthz.Server
	done     chan struct{}
}

// listenExtAuthz takes the address before anything is written, like listen, and answers
// "not yet" on it until the node is ready.
func (s *Server) listenExtAuthz(context.Context) error {
	if s.cfg.ExtAuthzListen == "" {
		return nil
	}
	proxies, err := s.cfg.proxies()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.cfg.ExtAuthzListen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the address %s of --ext-authz-listen is in use by another program; stop that, or give another address (port 0 picks a free one)", s.cfg.ExtAuthzListen)
	}
	if err != nil {
		return fmt.Errorf("listen on --ext-authz-listen %s: %w", s.cfg.ExtAuthzListen, err)
	}
	e := &extAuthz{listener: l, done: make(chan struct{}), server: extauthz.New(extauthz.Config{
		Ledger: s.Ledger, Ready: s.opened, Open: s.cfg.ForwardAuthOpen, TrustedProxies: proxies,
		TLS: s.tls, Logger: s.cfg.Logger, Observe: s.metrics.Observe,
	})}
	s.extAuthz = e
	go func() {
		defer close(e.done)
		if err := e.server.Serve(l); err != nil {
			s.fail(fmt.Errorf("the ext_authz listener failed: %w", err))
		}
	}()
	// Of a start that fails; a node that was ready has stopped answering before.
	s.onStop(func() { e.server.Stop(0); <-e.done })
	return nil
}

// opened is ready for those who may ask while the node starts.
func (s *Server) opened() error {
	if s.ledger.Load() == nil {
		return errors.New("this node is starting")
	}
	return s.ready()
}

// ExtAuthzAddr is the address of the listener for Envoy; empty without one.
func (s *Server) ExtAuthzAddr() string {
	if s.extAuthz == nil {
		return ""
	}
	return s.extAuthz.listener.Addr().String()
}

// stopAll lets the requests that run on all listeners finish, and takes no more.
func (s *Server) stopAll() {
	var wg sync.WaitGroup
	if e := s.extAuthz; e != nil {
		wg.Go(func() { e.server.Stop(10 * time.Second); <-e.done })
	}
	s.stopServing()
	wg.Wait()
}
