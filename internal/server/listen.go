package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/tokenledger/tokenledger/internal/httpapi"
)

// listen takes the HTTP listener's address before anything is written, and
// answers "not yet" on it until the node is ready.
func (s *Server) listen(context.Context) error {
	if s.cfg.TLSCert != "" {
		cert, err := openCertificate(s.cfg.TLSCert, s.cfg.TLSKey, s.cfg.Logger)
		if err != nil {
			return misused("--tls-cert and --tls-key cannot be used: %v", err)
		}
		s.tls = cert.config()
	}
	if err := s.cfg.probeNATSListen(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.cfg.HTTP)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the address %s of --http is in use by another program; stop that, or give another address (port 0 picks a free one)", s.cfg.HTTP)
	}
	if err != nil {
		return fmt.Errorf("listen on --http %s: %w", s.cfg.HTTP, err)
	}
	s.listener = l
	serving := l
	if s.tls != nil {
		serving = tls.NewListener(l, s.tls)
	}
	starting := httpapi.Starting()
	s.handler.Store(&starting)
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      120 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(logWriter{s.cfg.Logger}, "", 0),
	}
	fresh := &freshConns{}
	s.http.ConnState = fresh.note
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.http.Serve(serving); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("the HTTP listener failed: %w", err))
		}
	}()
	// Of a start that fails; a node that was ready has stopped answering before.
	s.onStop(func() { _ = s.http.Close(); <-done })
	s.stopServing = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		fresh.close()
		if err := s.http.Shutdown(ctx); err != nil {
			s.cfg.Logger.Warn("requests were cut off: they did not end in time", "error", err)
			_ = s.http.Close()
		}
		<-done
	}
	return nil
}

// freshConns are the connections on which nothing was asked yet. Clients open such
// ahead of need, and an orderly shutdown would wait five seconds for each.
type freshConns struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func (f *freshConns) note(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(f.conns, c)
	case f.closed:
		_ = c.Close()
	default:
		if f.conns == nil {
			f.conns = make(map[net.Conn]struct{})
		}
		f.conns[c] = struct{}{}
	}
}

func (f *freshConns) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for c := range f.conns {
		_ = c.Close()
	}
}

// logWriter hands what net/http has to say (a TLS handshake that failed, say) to
// the log, where it is of little weight.
type logWriter struct{ to *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.to.Debug("http: " + string(p))
	return len(p), nil
}
