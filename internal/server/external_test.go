package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// external runs a NATS server that is not the node's own, on a port that it keeps
// over restarts.
type external struct {
	t      *testing.T
	dir    string
	port   int
	server *natsd.Server
}

func newExternal(t *testing.T) *external {
	t.Helper()
	x := &external{t: t, dir: t.TempDir(), port: natsd.RANDOM_PORT}
	x.start()
	t.Cleanup(func() { x.stop() })
	return x
}

func (x *external) start() {
	x.t.Helper()
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: x.port, JetStream: true, StoreDir: x.dir, SyncAlways: true, NoSigs: true, NoLog: true})
	if err != nil {
		x.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		x.t.Fatal("the external NATS server does not start")
	}
	x.server, x.port = s, s.Addr().(*net.TCPAddr).Port
}

func (x *external) stop() {
	if x.server != nil {
		x.server.Shutdown()
		x.server.WaitForShutdown()
		x.server = nil
	}
}

func (x *external) url() string { return "nats://127.0.0.1:" + strconv.Itoa(x.port) }

// Two nodes on one stream: what one does the other knows, and a node that loses
// the stream stops answering until it has it back.
func TestTwoNodesOnOneStream(t *testing.T) {
	t.Parallel()
	x := newExternal(t)
	one, two := newNode(t, "--nats-url", x.url()), newNode(t, "--nats-url", x.url())
	one.start()
	two.token = one.token
	two.start()
	a, b := one.client(), two.client()

	tok, secret := generate(t, a, api.GenerateRequest{Name: "everywhere"})
	if v, err := b.Validate(t.Context(), api.ValidateRequest{Token: secret}); err != nil || !v.Active {
		t.Fatalf("the other node, at once: %+v, %v", v, err)
	}
	revoked, err := b.Revoke(t.Context(), tok.ID, api.RevokeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := a.Validate(t.Context(), api.ValidateRequest{Token: secret, MinSeq: revoked.Seq}); err != nil || v.Reason != "revoked" {
		t.Errorf("the first node, at the revocation's sequence: %+v, %v", v, err)
	}
	eventually(t, "the uses on both nodes are counted", func(ctx context.Context) bool {
		got, err := a.Token(ctx, tok.ID)
		return err == nil && got.UseCount == 1
	})

	x.stop()
	eventually(t, "the node says that it is stale", func(ctx context.Context) bool {
		_, err := a.Validate(ctx, api.ValidateRequest{Token: secret})
		e, ok := errors.AsType[*client.Error](err)
		return ok && e.Status == http.StatusServiceUnavailable
	})
	if status, _, body := one.ask("GET", "/readyz", "", ""); status != 503 || !strings.Contains(string(body), "stream") {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, _, _ := one.ask("GET", "/healthz", "", ""); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	x.start()
	eventually(t, "the node answers again", func(ctx context.Context) bool {
		v, err := a.Validate(ctx, api.ValidateRequest{Token: secret})
		return err == nil && v.Reason == "revoked"
	})

	// The server comes back without its store: that is not the stream that was
	// followed.
	x.stop()
	x.dir = t.TempDir()
	x.start()
	eventually(t, "the node refuses", func(context.Context) bool {
		_, _, body := one.ask("GET", "/readyz", "", "")
		return strings.Contains(string(body), "gone") || strings.Contains(string(body), "rolled back")
	})
	if _, err := a.Validate(t.Context(), api.ValidateRequest{Token: secret}); err == nil {
		t.Error("the node validates without its stream")
	}
	if _, err := a.Generate(t.Context(), api.GenerateRequest{Name: "into the void"}); err == nil {
		t.Error("the node generates without its stream")
	}
}

// The embedded server's listener is locked by the ledger's own tokens.
func TestSubscribers(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, plain := generate(t, c, api.GenerateRequest{Name: "plain", Scopes: []string{"orders:read"}})
	mine, auditor := generate(t, c, api.GenerateRequest{Name: "auditor", Scopes: []string{"ledger:audit:read"}})
	_, theirs := generate(t, c, api.GenerateRequest{Name: "theirs", Tenant: "acme", Scopes: []string{"ledger:revocations:read"}})
	for name, token := range map[string]string{"no token": "", "a word": "hello", "a token without permission": plain, "an unknown token": fresh()} {
		if nc, err := nats.Connect(n.nats, nats.Token(token), nats.MaxReconnects(0)); err == nil {
			nc.Close()
			t.Errorf("%s: connected", name)
		}
	}
	refused := make(chan error, 16)
	closed := make(chan struct{})
	nc, err := nats.Connect(n.nats, nats.Token(auditor), nats.MaxReconnects(0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	heard := make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe("ledger.default.generated", heard); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, try := range []func() error{
		func() error { return nc.Publish("ledger.default.revoked", []byte("{}")) },
		func() error { return nc.Publish("$JS.API.STREAM.DELETE.LEDGER", nil) },
		func() error { return nc.Publish("$JS.API.STREAM.PURGE.LEDGER", nil) },
		func() error { _, err := nc.SubscribeSync("ledger.acme.>"); return err },
		func() error { _, err := nc.SubscribeSync("ledger.>"); return err },
		func() error { _, err := nc.SubscribeSync(">"); return err },
		func() error { _, err := nc.SubscribeSync("_INBOX.>"); return err },
	} {
		if err := try(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("refused with %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("a client did what it may not")
		}
	}
	later, _ := generate(t, c, api.GenerateRequest{Name: "heard"})
	select {
	case m := <-heard:
		var e struct{ Subject string }
		if err := json.Unmarshal(m.Data, &e); err != nil || e.Subject != later.ID {
			t.Errorf("heard %s (%v)", m.Data, err)
		}
	case <-time.After(30 * time.Second):
		t.Error("a subscriber hears nothing")
	}
	// A subscriber whose token is revoked is put out.
	if _, err := c.Revoke(t.Context(), mine.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Error("a subscriber with a revoked token stays")
	}
	if nc, err := nats.Connect(n.nats, nats.Token(theirs), nats.MaxReconnects(0)); err != nil {
		t.Errorf("another tenant's subscriber: %v", err)
	} else {
		nc.Close()
	}
}
