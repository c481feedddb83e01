package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// documented runs a NATS server by docs/nats/server.conf, as it stands there, with keys
// of its own. Only the port and the directory of the store are other ones.
type documented struct {
	t      *testing.T
	dir    string
	port   int
	conf   string
	server *natsd.Server
}

func newDocumented(t *testing.T) *documented {
	t.Helper()
	d := &documented{t: t, dir: t.TempDir(), port: natsd.RANDOM_PORT}
	d.makeKeys()
	d.configure()
	d.start()
	d.configure() // with the port that was found
	t.Cleanup(d.stop)
	return d
}

// makeKeys makes the keys of docs/nats-external.md, and takes the configuration.
func (d *documented) makeKeys() {
	t := d.t
	t.Helper()
	conf, err := os.ReadFile("../../docs/nats/server.conf")
	if err != nil {
		t.Fatal(err)
	}
	var public strings.Builder
	for name, kind := range map[string]nkeys.PrefixByte{
		"NODE": nkeys.PrefixByteUser, "CALLOUT": nkeys.PrefixByteUser, "SYSTEM": nkeys.PrefixByteUser,
		"CALLOUT_ISSUER": nkeys.PrefixByteAccount, "CALLOUT_XKEY": nkeys.PrefixByteCurve,
	} {
		pair, err := nkeys.CreatePair(kind)
		if kind == nkeys.PrefixByteCurve {
			pair, err = nkeys.CreateCurveKeys()
		}
		if err != nil {
			t.Fatal(err)
		}
		seed, err := pair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		key, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		d.write(name, string(seed)+"\n")
		fmt.Fprintf(&public, "%s: %s\n", name, key)
	}
	d.write("keys.conf", public.String())
	d.conf = strings.Replace(string(conf), `"/var/lib/nats"`, strconv.Quote(d.file("store")), 1)
}

func (d *documented) file(name string) string { return filepath.Join(d.dir, name) }

func (d *documented) write(name, content string) {
	d.t.Helper()
	if err := os.WriteFile(d.file(name), []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// configure writes the server's configuration.
func (d *documented) configure() {
	d.t.Helper()
	const listens = `listen: "127.0.0.1:4222"`
	if !strings.Contains(d.conf, listens) {
		d.t.Fatal("docs/nats/server.conf does not listen where this test thinks")
	}
	d.write("server.conf", strings.Replace(d.conf, listens, fmt.Sprintf("listen: \"127.0.0.1:%d\"", d.port), 1))
}

func (d *documented) start() {
	d.t.Helper()
	d.begin()
	d.ready()
}

func (d *documented) begin() {
	d.t.Helper()
	opts, err := natsd.ProcessConfigFile(d.file("server.conf"))
	if err != nil {
		d.t.Fatal(err)
	}
	opts.NoSigs, opts.NoLog = true, true
	if d.server, err = natsd.NewServer(opts); err != nil {
		d.t.Fatal(err)
	}
	d.server.Start()
}

func (d *documented) ready() {
	d.t.Helper()
	if !d.server.ReadyForConnections(30 * time.Second) {
		d.t.Fatal("the documented NATS server does not start")
	}
	d.port = d.server.Addr().(*net.TCPAddr).Port
}

func (d *documented) stop() {
	if d.server != nil {
		d.server.Shutdown()
		d.server.WaitForShutdown()
		d.server = nil
	}
}

func (d *documented) url() string { return "nats://127.0.0.1:" + strconv.Itoa(d.port) }

// node gives a node with the flags of docs/nats-external.md.
func (d *documented) node(more ...string) *node {
	return newNode(d.t, append([]string{
		"--nats-url", d.url(), "--nats-creds", d.file("NODE"),
		"--nats-callout-key", d.file("CALLOUT_ISSUER"), "--nats-callout-xkey", d.file("CALLOUT_XKEY"),
		"--nats-callout-creds", d.file("CALLOUT"),
	}, more...)...)
}

// as connects as one of the server's own users.
func (d *documented) as(user string) *nats.Conn {
	d.t.Helper()
	signIn, err := nats.NkeyOptionFromSeed(d.file(user))
	if err != nil {
		d.t.Fatal(err)
	}
	nc, err := nats.Connect(d.url(), signIn, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(nc.Close)
	return nc
}

// guest is a client that signed in with a ledger token.
type guest struct {
	*nats.Conn
	t       *testing.T
	refused chan error    // what the server told it
	closed  chan struct{} // it gave up
	back    chan struct{} // it was let in again
}

func (d *documented) guest(token string, more ...nats.Option) *guest {
	d.t.Helper()
	g := &guest{t: d.t, refused: make(chan error, 64), closed: make(chan struct{}), back: make(chan struct{}, 64)}
	nc, err := nats.Connect(d.url(), append([]nats.Option{
		nats.Token(token), nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { g.refused <- err }),
		nats.ClosedHandler(func(*nats.Conn) { close(g.closed) }),
		nats.ReconnectHandler(func(*nats.Conn) { g.back <- struct{}{} }),
	}, more...)...)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(nc.Close)
	g.Conn = nc
	return g
}

func (g *guest) hear(subject string) chan *nats.Msg {
	g.t.Helper()
	heard := make(chan *nats.Msg, 64)
	if _, err := g.ChanSubscribe(subject, heard); err != nil {
		g.t.Fatal(err)
	}
	if err := g.Flush(); err != nil {
		g.t.Fatal(err)
	}
	return heard
}

// mayNot does what the server has to refuse.
func (g *guest) mayNot(what string, try func() error) {
	g.t.Helper()
	if err := try(); err != nil {
		g.t.Fatal(err)
	}
	select {
	case err := <-g.refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			g.t.Errorf("%s: refused with %v", what, err)
		}
	case <-time.After(30 * time.Second):
		g.t.Errorf("%s: a client did what it may not", what)
	}
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Errorf("in a minute it did not come to this: %s", what)
	}
	return v
}

// subjectOf gives the token that a message of the stream is about.
func subjectOf(t *testing.T, m *nats.Msg) string {
	t.Helper()
	if m == nil {
		return ""
	}
	var e struct{ Subject string }
	if err := json.Unmarshal(m.Data, &e); err != nil {
		t.Errorf("heard %s on %s: %v", m.Data, m.Subject, err)
	}
	return e.Subject
}

func TestCallout(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	n := d.node("--nats-sys-creds", d.file("SYSTEM"))
	n.start()
	c := n.client()
	reader := []string{"ledger:revocations:read"}
	mine, ofMine := generate(t, c, api.GenerateRequest{Name: "default's", Scopes: reader})
	theirs, ofTheirs := generate(t, c, api.GenerateRequest{Name: "acme's", Tenant: "acme", Scopes: reader})
	_, auditor := generate(t, c, api.GenerateRequest{Name: "auditor", Tenant: "acme", Scopes: []string{"ledger:audit:read"}})

	t.Run("refused", func(t *testing.T) {
		_, plain := generate(t, c, api.GenerateRequest{Name: "plain", Scopes: []string{"orders:read"}})
		ended, revoked := generate(t, c, api.GenerateRequest{Name: "revoked", Scopes: reader})
		if _, err := c.Revoke(t.Context(), ended.ID, api.RevokeRequest{}); err != nil {
			t.Fatal(err)
		}
		resting, suspended := generate(t, c, api.GenerateRequest{Name: "suspended", Scopes: reader})
		if _, err := c.Suspend(t.Context(), resting.ID, api.SuspendRequest{}); err != nil {
			t.Fatal(err)
		}
		_, elsewhere := generate(t, c, api.GenerateRequest{Name: "bound elsewhere", Scopes: reader, AllowedCIDRs: []string{"192.0.2.0/24"}})
		_, homeless := generate(t, c, api.GenerateRequest{Name: "a tenant without an account", Tenant: "homeless", Scopes: reader})
		_, expired := generate(t, c, api.GenerateRequest{Name: "expired", Scopes: reader, TTL: "1s"})
		eventually(t, "the token expires", func(ctx context.Context) bool {
			v, err := c.Validate(ctx, api.ValidateRequest{Token: expired})
			return err == nil && v.Reason == "expired"
		})
		for name, by := range map[string]nats.Option{
			"no token": nats.Name("nobody"), "a word": nats.Token("hello"), "an unknown token": nats.Token(fresh()),
			"a token without permission": nats.Token(plain), "a revoked token": nats.Token(revoked), "a suspended token": nats.Token(suspended),
			"an expired token": nats.Token(expired), "a token bound to another network": nats.Token(elsewhere),
			"a tenant without an account": nats.Token(homeless), "a damaged token": nats.Token(ofMine[:len(ofMine)-1] + "!"),
			"a token as the user": nats.UserInfo(ofMine, "x"), "another id as the user": nats.UserInfo(theirs.ID, ofMine),
			"the node's name": nats.UserInfo("NODE", "x"), "long nonsense": nats.Token(strings.Repeat("A", 3000)),
		} {
			nc, err := nats.Connect(d.url(), by, nats.MaxReconnects(0))
			if err == nil {
				nc.Close()
				t.Errorf("%s: connected", name)
			} else if !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("%s: refused with %v", name, err)
			}
		}
	})

	t.Run("a tenant for itself", func(t *testing.T) {
		// As its NATS token, and as the password of the user by the token's id.
		a, b := d.guest(ofMine), d.guest("", nats.UserInfo(theirs.ID, ofTheirs))
		all, tenants := d.guest(n.token), d.guest(auditor)
		heardA, heardB := a.hear("ledger.default.revoked"), b.hear("ledger.acme.revoked")
		heardAll, heardTenant := all.hear("ledger.>"), tenants.hear("ledger.acme.>")
		// The tenant's account has no other tenant's revocations.
		a.hear("revocations.>")
		b.hear("revocations.>")

		in, _ := generate(t, c, api.GenerateRequest{Name: "default's"})
		of, _ := generate(t, c, api.GenerateRequest{Name: "acme's", Tenant: "acme"})
		for _, id := range []string{in.ID, of.ID} {
			if _, err := c.Revoke(t.Context(), id, api.RevokeRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := subjectOf(t, await(t, "default hears of its token", heardA)); got != in.ID {
			t.Errorf("default heard of %s, not of %s", got, in.ID)
		}
		if got := subjectOf(t, await(t, "acme hears of its token", heardB)); got != of.ID {
			t.Errorf("acme heard of %s, not of %s", got, of.ID)
		}
		for _, want := range []string{of.ID, of.ID} { // generated, revoked
			if got := subjectOf(t, await(t, "the auditor hears", heardTenant)); got != want {
				t.Errorf("acme's auditor heard of %s, not of %s", got, want)
			}
		}
		for seen := map[string]bool{}; !seen[in.ID] || !seen[of.ID]; {
			m := await(t, "root hears of all", heardAll)
			if m == nil {
				break
			}
			seen[subjectOf(t, m)] = true
		}
		if len(heardA) > 0 || len(heardB) > 0 {
			t.Error("a tenant heard more than its own")
		}

		for _, subject := range []string{"ledger.>", "ledger.*.revoked", "ledger.default.>", "ledger.default.revoked", "ledger.acme.generated", ">", "*.*", "_INBOX.>", "$SYS.>", "$JS.>", "tokenledger.validate"} {
			b.mayNot("subscribe to "+subject, func() error { _, err := b.SubscribeSync(subject); return err })
		}
		// Not even root, nor an auditor.
		for _, g := range []*guest{b, all, tenants} {
			for _, subject := range changing {
				g.mayNot("publish to "+subject, func() error { return g.Publish(subject, []byte("{}")) })
			}
		}
	})

	t.Run("put out", func(t *testing.T) {
		a, b := d.guest(ofMine), d.guest(ofTheirs)
		if _, err := c.Revoke(t.Context(), mine.ID, api.RevokeRequest{}); err != nil {
			t.Fatal(err)
		}
		await(t, "the client of the revoked token is out for good", a.closed)
		if !b.IsConnected() || len(b.back) > 0 {
			t.Error("another's connection was ended")
		}
		if _, err := c.Suspend(t.Context(), theirs.ID, api.SuspendRequest{}); err != nil {
			t.Fatal(err)
		}
		await(t, "the client of the suspended token is out for good", b.closed)
		if _, err := c.Resume(t.Context(), theirs.ID, api.SuspendRequest{}); err != nil {
			t.Fatal(err)
		}
		d.guest(ofTheirs)
	})

	t.Run("on record", func(t *testing.T) {
		eventually(t, "the sign-ins are counted, with the client's address", func(ctx context.Context) bool {
			got, err := c.Token(ctx, mine.ID)
			return err == nil && got.UseCount > 0 && got.LastUsedIP == "127.0.0.1"
		})
	})

	if log := n.log.String(); strings.Contains(log, ofMine) || strings.Contains(log, ofTheirs) {
		t.Error("the node's log has a token")
	}

	t.Run("the node itself cannot delete", func(t *testing.T) {
		node := d.as("NODE")
		for _, subject := range []string{"$JS.API.STREAM.DELETE.LEDGER", "$JS.API.STREAM.PURGE.LEDGER", "$JS.API.STREAM.MSG.DELETE.LEDGER", "$JS.API.STREAM.SNAPSHOT.LEDGER"} {
			if _, err := node.Request(subject, nil, 300*time.Millisecond); err == nil {
				t.Errorf("%s was answered", subject)
			}
		}
		if _, err := c.Generate(t.Context(), api.GenerateRequest{Name: "the stream is there"}); err != nil {
			t.Error(err)
		}
	})

	t.Run("the callout's user does nothing else", func(t *testing.T) {
		callout := d.as("CALLOUT")
		for _, subject := range append([]string{"$SYS.REQ.USER.AUTH", "anything"}, changing...) {
			if _, err := callout.Request(subject, nil, 100*time.Millisecond); err == nil {
				t.Errorf("%s was answered", subject)
			}
		}
	})
}

// changing are subjects by which events could be forged, or the stream changed or deleted.
var changing = []string{
	"ledger.acme.revoked", "ledger.default.generated", "revocations.acme",
	"$JS.API.STREAM.CREATE.LEDGER", "$JS.API.STREAM.UPDATE.LEDGER", "$JS.API.STREAM.DELETE.LEDGER", "$JS.API.STREAM.PURGE.LEDGER",
	"$JS.API.STREAM.MSG.DELETE.LEDGER", "$JS.API.STREAM.RESTORE.LEDGER", "$JS.API.STREAM.SNAPSHOT.LEDGER",
	"$JS.API.STREAM.PEER.REMOVE.LEDGER", "$JS.API.STREAM.LEADER.STEPDOWN.LEDGER", "$JS.API.META.LEADER.STEPDOWN",
	"$JS.API.CONSUMER.CREATE.LEDGER", "$JS.API.CONSUMER.DELETE.LEDGER.x", "$JS.API.ACCOUNT.PURGE.LEDGER", "$JS.API.SERVER.REMOVE",
	"$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.X.KICK", "$SYS.REQ.USER.AUTH", "_INBOX.somebody",
}

// Who was let in by a node that is gone is put out by the one that comes after it; and a
// node that has lost the ledger lets nobody in.
func TestCalloutOfAnotherNode(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	one, two := d.node("--nats-sys-creds", d.file("SYSTEM")), d.node("--nats-sys-creds", d.file("SYSTEM"))
	one.start()
	c := one.client()
	tok, secret := generate(t, c, api.GenerateRequest{Name: "let in by the first", Scopes: []string{"ledger:revocations:read"}})
	g := d.guest(secret)
	two.token = one.token
	one.kill()
	if nc, err := nats.Connect(d.url(), nats.Token(secret), nats.MaxReconnects(0)); err == nil {
		nc.Close()
		t.Error("a client was let in without a node")
	}
	if !g.IsConnected() {
		t.Error("a client was put out without a node")
	}
	two.start()
	if _, err := two.client().Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	await(t, "it is put out by the second node", g.closed)
}

// Without the system account the server ends a connection when its time in is over. A
// client whose token is good comes back by itself.
func TestCalloutWithoutTheSystemAccount(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	n := d.node("--nats-callout-ttl", "5s")
	n.start()
	c := n.client()
	tok, secret := generate(t, c, api.GenerateRequest{Name: "comes back", Scopes: []string{"ledger:revocations:read"}})
	g := d.guest(secret)
	heard := g.hear("ledger.default.revoked")
	await(t, "it is let in again", g.back)
	if err := g.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := subjectOf(t, await(t, "it hears of its own end", heard)); got != tok.ID {
		t.Errorf("heard of %s", got)
	}
	await(t, "it is out when its time is over", g.closed)
}

// The server goes away and comes back: the node lets clients in again, and not before it
// knows the ledger again.
func TestCalloutAfterTheServerWasAway(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	n := d.node("--nats-sys-creds", d.file("SYSTEM"))
	n.start()
	tok, secret := generate(t, n.client(), api.GenerateRequest{Name: "patient", Scopes: []string{"ledger:revocations:read"}})
	g := d.guest(secret, nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort())
	d.stop()
	eventually(t, "the node says that it is stale", func(ctx context.Context) bool {
		_, err := n.client().Validate(ctx, api.ValidateRequest{Token: secret})
		_, ok := errors.AsType[*client.Error](err)
		return ok
	})
	d.start()
	await(t, "the client is let in again", g.back)
	eventually(t, "the node answers again", func(ctx context.Context) bool {
		_, err := n.client().Revoke(ctx, tok.ID, api.RevokeRequest{})
		return err == nil
	})
	eventually(t, "it is put out", func(context.Context) bool { return !g.IsConnected() })
	g.Close()
}

// A tenant is added while the server runs. Who was in before is in afterwards, too: the
// server ends the connections that were let in by the callout, and they come back.
func TestCalloutTenantAdded(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	n := d.node()
	n.start()
	c := n.client()
	reader := []string{"ledger:revocations:read"}
	_, old := generate(t, c, api.GenerateRequest{Name: "in before", Tenant: "acme", Scopes: reader})
	tok, late := generate(t, c, api.GenerateRequest{Name: "of the new tenant", Tenant: "late", Scopes: reader})
	g := d.guest(old)
	heardOld := g.hear("ledger.acme.revoked")
	if nc, err := nats.Connect(d.url(), nats.Token(late), nats.MaxReconnects(0)); err == nil {
		nc.Close()
		t.Fatal("a client is in before its tenant has an account")
	}
	begin := strings.Index(d.conf, "  TENANT-acme {")
	end := begin + strings.Index(d.conf[begin:], "\n  }\n") + len("\n  }\n")
	d.conf = d.conf[:end] + strings.ReplaceAll(d.conf[begin:end], "acme", "late") + d.conf[end:]
	d.configure()
	if err := d.server.Reload(); err != nil {
		t.Fatal(err)
	}
	heardLate := d.guest(late).hear("ledger.late.revoked")
	if _, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := subjectOf(t, await(t, "the new tenant hears", heardLate)); got != tok.ID {
		t.Errorf("heard of %s", got)
	}
	eventually(t, "who was in before hears", func(ctx context.Context) bool {
		other, err := c.Generate(ctx, api.GenerateRequest{Name: "of acme", Tenant: "acme"})
		if err != nil {
			return false
		}
		if _, err := c.Revoke(ctx, other.Value.Token.ID, api.RevokeRequest{}); err != nil {
			return false
		}
		return g.IsConnected() && len(heardOld) > 0
	})
}

func TestCalloutFlagsThatDoNotFit(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	open := d.file("open")
	if err := os.WriteFile(open, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	base := []string{"--nats-url", d.url(), "--nats-creds", d.file("NODE")}
	key := []string{"--nats-callout-key", d.file("CALLOUT_ISSUER"), "--nats-callout-creds", d.file("CALLOUT")}
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no external server":      {key, 2, "--nats-url"},
		"no credentials":          {append([]string{"--nats-callout-key", d.file("CALLOUT_ISSUER")}, base...), 2, "--nats-callout-creds"},
		"credentials alone":       {append([]string{"--nats-callout-creds", d.file("CALLOUT")}, base...), 2, "--nats-callout-key"},
		"the system alone":        {append([]string{"--nats-sys-creds", d.file("SYSTEM")}, base...), 2, "--nats-callout-key"},
		"a ttl alone":             {append([]string{"--nats-callout-ttl", "1m"}, base...), 2, "--nats-callout-key"},
		"a short ttl":             {append([]string{"--nats-callout-ttl", "1s"}, append(base, key...)...), 2, "5s"},
		"a negative ttl":          {append([]string{"--nats-callout-ttl=-1m"}, append(base, key...)...), 2, "5s"},
		"one account for all":     {append([]string{"--nats-callout-account", "TENANTS"}, append(base, key...)...), 2, "{tenant}"},
		"root is a tenant":        {append([]string{"--nats-callout-root-account", "TENANT-x"}, append(base, key...)...), 2, "TENANT-x"},
		"a user's key as account": {append([]string{"--nats-callout-key", d.file("NODE"), "--nats-callout-creds", d.file("CALLOUT")}, base...), 2, "an account"},
		"an open key":             {append([]string{"--nats-callout-key", open, "--nats-callout-creds", d.file("CALLOUT")}, base...), 2, "chmod 600"},
		"no such key":             {append([]string{"--nats-callout-key", d.file("none"), "--nats-callout-creds", d.file("CALLOUT")}, base...), 2, "none"},
		"not the system account":  {append([]string{"--nats-sys-creds", d.file("NODE"), "--nats-callout-xkey", d.file("CALLOUT_XKEY")}, append(base, key...)...), 1, "system account"},
		"an unknown user":         {append([]string{"--nats-callout-key", d.file("CALLOUT_ISSUER"), "--nats-callout-creds", d.unknown("UNKNOWN")}, base...), 1, "--nats-callout-creds"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, test.args...)
			n.launch()
			if code := n.end(); code != test.code || !strings.Contains(n.log.String(), test.says) {
				t.Errorf("exit code %d: %s", code, n.log.String())
			}
		})
	}
}

// unknown makes a user that the server does not know.
func (d *documented) unknown(name string) string {
	d.t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		d.t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(name, string(seed))
	return d.file(name)
}
