package natsserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// ListenOff as [Config.Listen] leaves the TCP listener out.
const ListenOff = "off"

// Config says how to run the server.
type Config struct {
	// StoreDir is the directory of the streams. It is made if it does not exist.
	StoreDir string
	// Listen is the address of the TCP listener, "host:port"; port 0 picks one.
	// Empty or [ListenOff]: no listener, only in-process connections.
	Listen string
	// ServerName appears in the server's INFO and in logs. Empty: "tokenledger".
	ServerName string
	// Logger receives the server's log. Nil: nothing is logged.
	Logger *slog.Logger
	// Authenticate decides who may sign in over TCP. The token is what the
	// client presented as its NATS token; remoteAddr is "ip:port". It is called
	// from many goroutines at once. An error refuses the client, which learns
	// nothing of it; the log does. Nil refuses everybody.
	Authenticate func(token, remoteAddr string) (Permissions, error)
	// TLS, if set, is required of TCP clients.
	TLS *tls.Config
	// ExportStreams and ExportServices are the subjects of the node's account that
	// other accounts may be given to hear and to ask.
	ExportStreams, ExportServices []string
}

// Permissions is what a TCP client may do.
type Permissions struct {
	// Name stands for the client in the server's log and in [Server.Disconnect].
	// It is no secret: a token's id. A name has one or more of the characters
	// 0-9, A-Z and a-z.
	Name string
	// Account is where the client's connection belongs: it hears what is published
	// there, and nothing of other accounts. Nil is the node's own.
	Account *Account
	// Subscribe and Publish list the subjects, with NATS wildcards, that the client
	// may subscribe and publish to. Empty: none.
	Subscribe, Publish []string
}

// Account is an account besides the node's. It has no JetStream. It is made when the
// first client is admitted to it, stays until the server stops, and is known by its
// name: of an account that exists the other fields are not looked at.
type Account struct {
	// Name has characters of 0-9, A-Z, a-z and hyphens.
	Name string
	// Streams are subjects of the node's account that are heard in this one, and
	// Services those at which its clients may ask. Each has to be exported
	// ([Config.ExportStreams], [Config.ExportServices]). A request arrives with the
	// name of who asks; see [Server.Requester].
	Streams, Services []string
}

// The bounds of the embedded server.
const (
	// maxStore is, on purpose, more than any disk holds. By default JetStream
	// takes three quarters of what is free when it starts as its limit, and then
	// refuses to store although there is room. A disk that is really full shows
	// as a write error, which stops JetStream, and Healthy reports it.
	maxStore = 1 << 60
	// maxMemory bounds streams that are kept in memory. The ledger has none.
	maxMemory = 64 << 20
	// maxPayload is the server's default, stated because events rely on it.
	maxPayload = 1 << 20
)

func (cfg Config) serverOptions() (*server.Options, error) {
	if cfg.StoreDir == "" {
		// JetStream would take the directory for temporary files.
		return nil, errors.New("start NATS server: no store directory is given")
	}
	opts := &server.Options{
		ServerName:             cfg.ServerName,
		StoreDir:               cfg.StoreDir,
		JetStream:              true,
		SyncAlways:             true,
		JetStreamMaxStore:      maxStore,
		JetStreamMaxMemory:     maxMemory,
		DisableJetStreamBanner: true,
		MaxPayload:             maxPayload,
		// Signals belong to the node.
		NoSigs:    true,
		TLSConfig: cfg.TLS,
	}
	if opts.ServerName == "" {
		opts.ServerName = "tokenledger"
	}
	if cfg.TLS != nil {
		opts.TLSTimeout = 5 // seconds
	}
	if cfg.Listen == "" || cfg.Listen == ListenOff {
		opts.DontListen = true
		return opts, nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, &ListenError{Addr: cfg.Listen, Err: err}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, &ListenError{Addr: cfg.Listen, Err: fmt.Errorf("%q is no port number", port)}
	}
	if host == "" {
		host = "0.0.0.0"
	}
	opts.Host, opts.Port = host, int(n)
	if n == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}
