package natsapi

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connections gives n connections to a NATS server.
func connections(t *testing.T, n int) (all []*nats.Conn) {
	t.Helper()
	s, err := natsd.NewServer(&natsd.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	for range n {
		nc, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		all = append(all, nc)
	}
	return all
}

// The service has no worker to spare here, so what it takes waits.
func TestWhatIsBeyondTheBoundsIsRefusedAtOnce(t *testing.T) {
	conns := connections(t, 2)
	var answers atomic.Int64
	s, err := Start(Config{Conn: conns[0], Logger: slog.New(slog.DiscardHandler), Version: "test",
		Observe: func(int, time.Duration) { answers.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	s.workers.Store(maxWorkers)
	ask := conns[1]
	code := func(data []byte) string {
		m, err := ask.Request("tokenledger.validate", data, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(m.Data), `"request_id"`) {
			t.Errorf("the answer is %s", m.Data)
		}
		return m.Header.Get("Nats-Service-Error-Code")
	}
	if got := code(make([]byte, maxRequest+1)); got != "413" {
		t.Errorf("a request too large: %s", got)
	}
	waits := func(data []byte) {
		if err := ask.PublishRequest("tokenledger.validate", "_INBOX.nobody", data); err != nil {
			t.Fatal(err)
		}
	}
	for range maxWaiting {
		waits(nil)
	}
	if got := code(nil); got != "503" {
		t.Errorf("one request too many: %s", got)
	}
	if len(s.queue) != maxWaiting {
		t.Errorf("%d requests wait, want %d", len(s.queue), maxWaiting)
	}
	for len(s.queue) > 0 {
		m := <-s.queue
		s.held.Add(-int64(m.Size()))
	}
	big := make([]byte, maxRequest)
	for range maxHeld/maxRequest - 1 { // a message is a little more than its body
		waits(big)
	}
	if got := code(big); got != "503" {
		t.Errorf("too many bytes: %s", got)
	}
	if held := s.held.Load(); held > maxHeld {
		t.Errorf("%d bytes are held", held)
	}
	if m, err := ask.Request("$SRV.STATS.tokenledger", nil, 30*time.Second); err != nil || !strings.Contains(string(m.Data), `"last_error":"overloaded"`) {
		t.Errorf("the figures: %v, %v", m, err)
	}
	for len(s.queue) > 0 {
		<-s.queue
	}
	s.workers.Store(0)
	s.Stop()
	if answers.Load() != 3 {
		t.Errorf("%d answers were told of, want 3", answers.Load())
	}
	if _, err := ask.Request("tokenledger.validate", nil, 30*time.Second); err == nil {
		t.Error("a stopped service answers")
	}
}

// A service whose connection is gone stops all the same.
func TestStopWithoutAConnection(t *testing.T) {
	conns := connections(t, 1)
	s, err := Start(Config{Conn: conns[0], Logger: slog.New(slog.DiscardHandler), Observe: func(int, time.Duration) {}})
	if err != nil {
		t.Fatal(err)
	}
	conns[0].Close()
	s.Stop()
}
