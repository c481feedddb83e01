package extauthz

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/tokenledger/tokenledger/internal/ledger"
)

// Config is what the transport works with.
type Config struct {
	// Ledger gives the door, nil while the node starts.
	Ledger func() *ledger.Ledger
	// Ready returns nil when the node may be given work.
	Ready func() error
	// Open lets everybody ask, and not only proxies that show a token of their own.
	Open bool
	// TrustedProxies are believed where they say that a request came from.
	TrustedProxies ledger.Proxies
	// TLS is nil for plain text.
	TLS    *tls.Config
	Logger *slog.Logger
	// Observe is told of every answer, with the method and a status as of HTTP.
	Observe func(method string, status int, took time.Duration)
}

// Bounds on what a connection may take.
const (
	maxMessage = 256 << 10
	maxHeaders = 16 << 10
	maxStreams = 1000
)

// Server serves Envoy.
type Server struct {
	grpc *grpc.Server
}

// New gives a server.
func New(cfg Config) *Server {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxHeaderListSize(maxHeaders), grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 10 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
	}
	if cfg.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(cfg.TLS)))
	}
	s := &Server{grpc: grpc.NewServer(options...)}
	authv3.RegisterAuthorizationServer(s.grpc, &authorization{Config: cfg})
	healthv1.RegisterHealthServer(s.grpc, &health{ready: cfg.Ready})
	return s
}

// Serve answers on l until Stop, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Stop takes no more requests, and lets those that run go on for so long.
func (s *Server) Stop(within time.Duration) {
	cut := time.AfterFunc(within, s.grpc.Stop)
	defer cut.Stop()
	s.grpc.GracefulStop()
}

// health answers grpc.health.v1 with whether the node may be given work.
type health struct {
	healthv1.UnimplementedHealthServer
	ready func() error
}

// Check implements the service.
func (h *health) Check(_ context.Context, in *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	switch in.GetService() {
	case "", authv3.Authorization_ServiceDesc.ServiceName:
	default:
		return nil, status.Error(codes.NotFound, "there is no such service here")
	}
	out := &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}
	if h.ready() != nil {
		out.Status = healthv1.HealthCheckResponse_NOT_SERVING
	}
	return out, nil
}
