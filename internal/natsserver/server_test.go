package natsserver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// secret has the shape of a ledger token.
const secret = "tl_01K7Q2Z8Y4M6N3P5R7T9V1W3X5_0aZ9bY8cX7dW6eV5fU4gT3hS2iR1jQ0kPl1mO2nN"

// syncBuffer is a log that many goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = t.TempDir()
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t *testing.T, s *Server) *nats.Conn {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// dial connects over TCP with a token, and gives the errors that the server
// reports on the connection.
func dial(t *testing.T, s *Server, token string) (*nats.Conn, <-chan error) {
	t.Helper()
	reported := make(chan error, 16)
	nc, err := nats.Connect(s.ClientURL(), nats.Token(token), nats.MaxReconnects(0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { reported <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, reported
}

func grant(subjects ...string) func(string, string) (Permissions, error) {
	return func(token, _ string) (Permissions, error) {
		if token != secret {
			return Permissions{}, errors.New("unknown token " + token)
		}
		return Permissions{Name: "01K7Q2Z8Y4M6N3P5R7T9V1W3X5", Subscribe: subjects}, nil
	}
}

func TestTheNodeStoresOverItsOwnConnectionWithoutAListener(t *testing.T) {
	for _, listen := range []string{"", ListenOff} {
		s := start(t, Config{Listen: listen})
		if url := s.ClientURL(); url != "" {
			t.Errorf("listen %q: the client URL is %q, want none", listen, url)
		}
		nc := connect(t, s)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s.a", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := s.Healthy(); err != nil {
			t.Errorf("a server that runs is not healthy: %v", err)
		}
	}
}

func TestClientsWithoutAGoodTokenAreRefused(t *testing.T) {
	for name, auth := range map[string]func(string, string) (Permissions, error){"asked": grant(">"), "nobody to ask": nil} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{Listen: "127.0.0.1:0", Authenticate: auth})
			for what, opt := range map[string]nats.Option{
				"no token":           nats.Name("anonymous"),
				"a bad token":        nats.Token(secret + "x"),
				"the node's name":    nats.UserInfo(s.auth.nodeUser, "guess"),
				"a name, no secret":  nats.UserInfo(s.auth.nodeUser, ""),
				"token as user name": nats.UserInfo(secret, "x"),
			} {
				nc, err := nats.Connect(s.ClientURL(), opt, nats.MaxReconnects(0))
				if !errors.Is(err, nats.ErrAuthorization) {
					t.Errorf("%s: %v, want an authorization violation", what, err)
				}
				if err == nil {
					nc.Close()
				}
			}
		})
	}
}

func TestAClientMaySubscribeToWhatItWasGrantedOnlyAndPublishNothing(t *testing.T) {
	s := start(t, Config{Listen: "127.0.0.1:0", Authenticate: grant("revocations.acme")})
	node := connect(t, s)
	nc, reported := dial(t, s, secret)

	sub, err := nc.SubscribeSync("revocations.acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := node.Publish("revocations.acme", []byte("revoked")); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(10 * time.Second); err != nil || string(m.Data) != "revoked" {
		t.Fatalf("the client got %v, %v", m, err)
	}

	for _, subject := range []string{"revocations.other", "revocations.*", "ledger.>", ">", "_INBOX.>", "$SYS.>", "$JS.>"} {
		if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
		wantViolation(t, reported, "subscribe to "+subject)
	}
	all, err := node.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"ledger.acme.revoked", "revocations.acme", "anything", "$JS.API.STREAM.DELETE.LEDGER"} {
		if err := nc.Publish(subject, []byte("forged")); err != nil {
			t.Fatal(err)
		}
		wantViolation(t, reported, "publish to "+subject)
	}
	if m, err := all.NextMsg(0); err == nil {
		t.Errorf("a message of a client got through on %s", m.Subject)
	}
}

func wantViolation(t *testing.T, reported <-chan error, what string) {
	t.Helper()
	select {
	case err := <-reported:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v, want a permissions violation", what, err)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%s: the server did not object", what)
	}
}

func TestAClientThatWasGrantedNothingMaySubscribeToNothing(t *testing.T) {
	s := start(t, Config{Listen: "127.0.0.1:0", Authenticate: grant()})
	nc, reported := dial(t, s, secret)
	if _, err := nc.Subscribe("revocations.acme", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	wantViolation(t, reported, "subscribe")
}

func TestDisconnectClosesTheConnectionsOfOneNameOnly(t *testing.T) {
	names := map[string]string{"token-a": "A", "token-b": "B"}
	s := start(t, Config{Listen: "127.0.0.1:0", Authenticate: func(token, remote string) (Permissions, error) {
		if _, _, err := net.SplitHostPort(remote); err != nil {
			return Permissions{}, err
		}
		return Permissions{Name: names[token], Subscribe: []string{"x"}}, nil
	}})
	node := connect(t, s)
	a1, _ := dial(t, s, "token-a")
	a2, _ := dial(t, s, "token-a")
	b, _ := dial(t, s, "token-b")
	closed := make(chan struct{}, 2)
	for _, nc := range []*nats.Conn{a1, a2} {
		nc.SetClosedHandler(func(*nats.Conn) { closed <- struct{}{} })
	}
	if n := s.Disconnect("A"); n != 2 {
		t.Errorf("%d connections were closed, want 2", n)
	}
	for range 2 {
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("a connection was not closed")
		}
	}
	if err := b.Flush(); err != nil {
		t.Errorf("another client's connection broke: %v", err)
	}
	if n := s.Disconnect(s.auth.nodeUser); n != 0 || node.Flush() != nil {
		t.Error("the node's own connection was closed")
	}
}

func TestNoSecretReachesTheLog(t *testing.T) {
	var log syncBuffer
	s := start(t, Config{
		Listen:       "127.0.0.1:0",
		Authenticate: grant("x"),
		Logger:       slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	dial(t, s, secret)
	for _, opt := range []nats.Option{
		nats.Token("mistyped-secret"),
		nats.UserInfo(secret, "hunter2"),
		nats.UserInfo("a \"quoted\" "+secret, "hunter2"),
	} {
		if nc, err := nats.Connect(s.ClientURL(), opt, nats.MaxReconnects(0)); err == nil {
			nc.Close()
			t.Error("a client with a bad secret got in")
		}
	}
	s.Shutdown()
	text := log.String()
	if !strings.Contains(text, "refused") {
		t.Fatalf("the log does not tell of the clients that were refused:\n%s", text)
	}
	for _, s := range []string{secret, secret[len(secret)-20:], "hunter2", s.auth.nodeSecret} {
		if strings.Contains(text, s) {
			t.Errorf("the log holds a secret (%q):\n%s", s, text)
		}
	}
}

func TestABusyPortIsAClearError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	_, err = Start(Config{StoreDir: t.TempDir(), Listen: addr})
	var le *ListenError
	if !errors.As(err, &le) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("the error is %v, want a ListenError of an address in use", err)
	}
	for _, want := range []string{addr, "another process", "another address"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestAWrongAddressIsAClearError(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "127.0.0.1:http-alt-x", "127.0.0.1:70000", "192.0.2.1:4222"} {
		_, err := Start(Config{StoreDir: t.TempDir(), Listen: addr})
		var le *ListenError
		if !errors.As(err, &le) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v, want a ListenError that names it", addr, err)
		}
	}
}

func TestADirectoryThatCannotBeUsedIsAClearError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(Config{StoreDir: file})
	var je *JetStreamError
	if !errors.As(err, &je) || !strings.Contains(err.Error(), file) {
		t.Errorf("the error is %v, want a JetStreamError that names the directory", err)
	}
	if _, err := Start(Config{}); err == nil {
		t.Error("a server without a directory started")
	}
}

func TestAServerThatWasShutDownIsNotHealthy(t *testing.T) {
	s := start(t, Config{})
	s.Shutdown()
	if s.Healthy() == nil {
		t.Error("it says that it is healthy")
	}
	s.Shutdown() // a second time does nothing
}

func TestJetStreamThatStoppedIsReported(t *testing.T) {
	s := start(t, Config{})
	if err := s.nats.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
	var je *JetStreamError
	if err := s.Healthy(); !errors.As(err, &je) {
		t.Errorf("the health is %v, want a JetStreamError", err)
	}
}

func TestTheRightsOfTheNodeAreInItsSecretOnly(t *testing.T) {
	s := start(t, Config{Listen: "127.0.0.1:0", Authenticate: grant()})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	node := connect(t, s)
	if _, err := node.RequestWithContext(ctx, "$JS.API.INFO", nil); err != nil {
		t.Errorf("the node does not reach JetStream: %v", err)
	}
	other := start(t, Config{})
	if s.auth.nodeSecret == other.auth.nodeSecret || len(s.auth.nodeSecret) < 40 {
		t.Error("two servers share a secret, or it is short")
	}
}
