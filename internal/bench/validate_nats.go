package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// runValidateNATS measures validation over NATS beside a micro service that answers with
// what it was sent, on an embedded server of the same kind.
func runValidateNATS(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	listening := *b
	listening.natsListen = "127.0.0.1:0"
	v := &validating{b: &listening}
	cs.add("connections", connections)
	cs.add("tokens", b.Tokens)
	cs.add("presented", "any token, each with the same probability")
	if err := v.prepare(ctx, dir, &cs); err != nil {
		return o, nil, err
	}
	defer v.n.Shutdown()
	echo, stop, err := startEcho(filepath.Join(dir, "floor"), nil)
	if err != nil {
		return o, nil, err
	}
	defer stop()
	// For what verify holds against the ledger.
	v.uniform = newLoad("", v.bearer, v.tokens, uniformly)
	v.skewed = newLoad("", v.bearer, v.tokens, uniformly)
	own, err := dialNATS(v.n.NATSURL(), v.bearer, v.uniform)
	if err != nil {
		return o, nil, err
	}
	defer own.close()
	v.signIns = connections
	bare, err := dialNATS(echo, v.bearer, newLoad("", v.bearer, v.tokens, uniformly))
	if err != nil {
		return o, nil, err
	}
	defer bare.close()

	// What accounts of their own cost, which NATS itself does: the same service, asked
	// from another account, with who asks told.
	imported, stopImported, err := startEcho(filepath.Join(dir, "imported"), &natsserver.Account{Name: "other", Services: []string{auth.ValidateSubject}})
	if err != nil {
		return o, nil, err
	}
	defer stopImported()
	apart, err := dialNATS(imported, v.bearer, newLoad("", v.bearer, v.tokens, uniformly))
	if err != nil {
		return o, nil, err
	}
	defer apart.close()

	echoed := []byte(`"token":`)
	product := func(ctx context.Context, d time.Duration) (sample, error) {
		s, err := own.run(ctx, d, found)
		if err != nil {
			return s, err
		}
		rest, err := timed(func() (int, error) { return 0, v.n.settle(ctx) })
		s.settle, s.settleCPU = rest.took, rest.cpu
		return s, err
	}
	floor := func(ctx context.Context, d time.Duration) (sample, error) {
		return bare.run(ctx, d, []byte(`"token":`))
	}
	if o, err = b.alternate(ctx, b.Slice, floor, product); err != nil {
		return o, nil, err
	}
	cs.add("drain_seconds", medianOf(o.product, func(s sample) float64 { return s.settle.Seconds() }))
	b.step("an echo in another account")
	other, err := clean(ctx, b.Slice, func(ctx context.Context, d time.Duration) (sample, error) { return apart.run(ctx, d, echoed) })
	if err != nil {
		return o, nil, err
	}
	cs.add("echo_in_another_account", other.rate())
	cs.add("echo_in_another_account_cpu_us", float64(other.cpu.Microseconds())/float64(other.n))
	b.step("comparing what was answered with what was recorded")
	return o, cs, v.verify(&cs)
}

// startEcho serves the floor of validate-nats: NATS's own library, in the same account
// as who asks unless another is given for them, on a server as a node has it.
func startEcho(dir string, asking *natsserver.Account) (url string, stop func(), err error) {
	s, err := natsserver.Start(natsserver.Config{
		StoreDir: dir, Listen: "127.0.0.1:0", ExportServices: []string{auth.ValidateSubject},
		Authenticate: func(string, string) (natsserver.Permissions, error) {
			return natsserver.Permissions{Name: "caller", Account: asking, Subscribe: []string{"_INBOX.>"}, Publish: []string{auth.ValidateSubject}}, nil
		},
	})
	if err != nil {
		return "", nil, err
	}
	stop = s.Shutdown
	nc, err := s.Connect()
	if err != nil {
		stop()
		return "", nil, err
	}
	stop = func() { nc.Close(); s.Shutdown() }
	_, err = micro.AddService(nc, micro.Config{Name: "echo", Version: "1.0.0", Endpoint: &micro.EndpointConfig{
		Subject: auth.ValidateSubject, Handler: micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(r.Data()) }),
	}})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	return s.ClientURL(), stop, nil
}

// natsLoad is callers that each have a connection.
type natsLoad struct {
	of    *load
	conns []*nats.Conn
}

func dialNATS(url, bearer string, of *load) (*natsLoad, error) {
	l := &natsLoad{of: of}
	for range connections {
		nc, err := nats.Connect(url, nats.Token(bearer), nats.MaxReconnects(0), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			l.close()
			return nil, fmt.Errorf("connect to the server under measurement: %w", err)
		}
		l.conns = append(l.conns, nc)
	}
	return l, nil
}

func (l *natsLoad) close() {
	for _, nc := range l.conns {
		nc.Close()
	}
}

// run presents tokens for d. Each answer has to hold want.
func (l *natsLoad) run(ctx context.Context, d time.Duration, want []byte) (sample, error) {
	return callers(ctx, connections, d, func(_ context.Context, i int) error {
		token := l.of.pick[i]()
		body := make([]byte, 0, 256)
		body = append(body, `{"token":"`...)
		body = append(body, l.of.tokens.at(token)...)
		body = append(body, `","scopes":["orders:read"],"client_ip":"203.0.113.7"}`...)
		m, err := l.conns[i].Request(auth.ValidateSubject, body, 10*time.Second)
		if err != nil {
			return fmt.Errorf("ask over NATS: %w", err)
		}
		if !bytes.Contains(m.Data, want) {
			return errors.New("a good token was answered with " + string(bytes.TrimSpace(m.Data)))
		}
		atomic.AddUint32(&l.of.answered[token], 1)
		return nil
	})
}
