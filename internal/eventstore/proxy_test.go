package eventstore

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// startTCP runs a NATS server on a port of its own, as an external one, and gives
// its address.
func startTCP(tb testing.TB) string {
	tb.Helper()
	ns, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: tb.TempDir(), SyncAlways: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	ns.Start()
	tb.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(20 * time.Second) {
		tb.Fatal("the server does not accept connections")
	}
	return ns.Addr().String()
}

// proxy stands between a client and a server, and can lose what they say.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu       sync.Mutex
	changed  sync.Cond
	conns    map[net.Conn]struct{}
	toServer bool // what the client says goes to the server, not into lost
	toClient bool // what the server says goes to the client; else it is kept back
	lost     bytes.Buffer
	shutting bool
}

func startProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: make(map[net.Conn]struct{}), toServer: true, toClient: true}
	p.changed.L = &p.mu
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.shutting = true
		p.changed.Broadcast()
		p.mu.Unlock()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		srv, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		if p.shutting {
			p.mu.Unlock()
			client.Close()
			srv.Close()
			return
		}
		p.conns[client] = struct{}{}
		p.conns[srv] = struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.pump(client, srv, true) })
		p.wg.Go(func() { p.pump(srv, client, false) })
	}
}

func (p *proxy) pump(from, to net.Conn, fromClient bool) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		lose := false
		if fromClient && !p.toServer {
			p.lost.Write(buf[:n])
			lose = true
		}
		if !fromClient {
			for !p.toClient && !p.shutting {
				if _, open := p.conns[to]; !open {
					break
				}
				p.changed.Wait()
			}
		}
		p.mu.Unlock()
		if lose {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// set says which ways are open, and lets go what was kept back.
func (p *proxy) set(toServer, toClient bool) {
	p.mu.Lock()
	p.toServer, p.toClient = toServer, toClient
	p.changed.Broadcast()
	p.mu.Unlock()
}

// cut breaks all connections. What was kept back is lost.
func (p *proxy) cut() {
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
	p.changed.Broadcast()
	p.mu.Unlock()
}

// lostBytes reports whether the proxy lost s on its way to the server.
func (p *proxy) lostBytes(s string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.lost.Bytes(), []byte(s))
}

func (p *proxy) connect(tb testing.TB) *nats.Conn {
	tb.Helper()
	return dial(tb, p.listener.Addr().String())
}

func dial(tb testing.TB, addr string) *nats.Conn {
	tb.Helper()
	nc, err := nats.Connect(addr, nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

// eventually waits for a condition.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain until %s", what)
		}
	}
}
