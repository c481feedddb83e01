package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tokenledger/tokenledger/client/api"
)

// natsClient is a client of the embedded listener, with what the server refuses it.
type natsClient struct {
	*nats.Conn
	t       *testing.T
	refused chan error
	closed  chan struct{}
}

func (n *node) natsAs(token string, options ...nats.Option) *natsClient {
	n.t.Helper()
	c := &natsClient{t: n.t, refused: make(chan error, 1024), closed: make(chan struct{})}
	options = append([]nats.Option{nats.Token(token), nats.MaxReconnects(0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.refused <- err }),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	}, options...)
	var err error
	if c.Conn, err = nats.Connect(n.nats, options...); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// hears subscribes and returns when the server has it.
func (c *natsClient) hears(subject string) *nats.Subscription {
	c.t.Helper()
	sub, err := c.SubscribeSync(subject)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		c.t.Fatal(err)
	}
	select {
	case err := <-c.refused:
		c.t.Fatalf("subscribe to %s: %v", subject, err)
	default:
	}
	return sub
}

// mayNot shows that the server refuses what try does.
func (c *natsClient) mayNot(what string, try func() error) {
	c.t.Helper()
	if err := try(); err != nil {
		c.t.Fatal(err)
	}
	select {
	case err := <-c.refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			c.t.Errorf("%s: refused with %v", what, err)
		}
	case <-time.After(30 * time.Second):
		c.t.Errorf("%s: nobody objects", what)
	}
}

func (c *natsClient) mayNotPublish(subject string) {
	c.t.Helper()
	c.mayNot("publish to "+subject, func() error { return c.Publish(subject, []byte("{}")) })
}

func (c *natsClient) mayNotSubscribe(subject string) {
	c.t.Helper()
	c.mayNot("subscribe to "+subject, func() error { _, err := c.SubscribeSync(subject); return err })
}

// ask sends a request for validation and gives the answer, or the problem.
func (c *natsClient) ask(body string, header ...string) (answer api.ValidateAnswer, problem api.Problem) {
	c.t.Helper()
	m := &nats.Msg{Subject: "tokenledger.validate", Data: []byte(body), Header: nats.Header{}}
	for i := 0; i < len(header); i += 2 {
		m.Header.Add(header[i], header[i+1])
	}
	got, err := c.RequestMsg(m, 30*time.Second)
	if err != nil {
		c.t.Fatalf("ask: %v", err)
	}
	var into any = &answer
	if code := got.Header.Get("Nats-Service-Error-Code"); code != "" {
		into = &problem
		defer func() {
			if code != strconv.Itoa(problem.Status) || got.Header.Get("Nats-Service-Error") != problem.Detail {
				c.t.Errorf("the headers %v do not agree with %+v", got.Header, problem)
			}
		}()
	}
	if err := json.Unmarshal(got.Data, into); err != nil {
		c.t.Fatalf("the answer %s: %v", got.Data, err)
	}
	return answer, problem
}

func body(fields ...string) string {
	m := map[string]string{}
	for i := 0; i < len(fields); i += 2 {
		m[fields[i]] = fields[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func scopes(s ...string) api.GenerateRequest { return api.GenerateRequest{Name: "client", Scopes: s} }

func in(tenant string, r api.GenerateRequest) api.GenerateRequest { r.Tenant = tenant; return r }

// Whoever subscribes to revocations.> hears his tenant's, with what he needs to see
// that he missed one; root hears all.
func TestRevocationsAreHeardByTheirTenant(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, acme := generate(t, c, in("acme", scopes("ledger:revocations:read")))
	_, other := generate(t, c, in("other", scopes("ledger:audit:read")))
	heard := map[string]*nats.Subscription{
		"acme":  n.natsAs(acme).hears("revocations.>"),
		"other": n.natsAs(other).hears("revocations.>"),
		"root":  n.natsAs(n.token).hears("revocations.>"),
	}
	want := map[string][]string{}
	last := map[string]string{}
	for i := range 6 {
		tenant := []string{"acme", "other", "third"}[i%3]
		tok, _ := generate(t, c, in(tenant, api.GenerateRequest{Name: "x"}))
		var seq uint64
		if i < 3 {
			r, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{})
			if err != nil {
				t.Fatal(err)
			}
			seq = r.Seq
		} else { // one atomic batch: the new one, and the end of the old
			r, err := c.Rotate(t.Context(), tok.ID, api.RotateRequest{})
			if err != nil {
				t.Fatal(err)
			}
			seq = r.Seq
		}
		said := fmt.Sprintf("revocations.%s %s %d", tenant, tok.ID, seq)
		want[tenant], want["root"] = append(want[tenant], said), append(want["root"], said)
	}
	for who, sub := range heard {
		for _, w := range want[who] {
			m, err := sub.NextMsg(30 * time.Second)
			if err != nil {
				t.Fatalf("%s: %v", who, err)
			}
			var e struct{ Subject, Tenant string }
			if err := json.Unmarshal(m.Data, &e); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%s %s %s", m.Subject, e.Subject, m.Header.Get("Nats-Sequence")); got != w {
				t.Errorf("%s heard %s, want %s", who, got, w)
			}
			if who != "root" {
				if before := m.Header.Get("Nats-Last-Sequence"); last[who] != "" && before != last[who] {
					t.Errorf("%s: the one before was %s, not %s", who, before, last[who])
				}
				last[who] = m.Header.Get("Nats-Sequence")
			}
		}
		if m, err := sub.NextMsg(10 * time.Millisecond); err == nil {
			t.Errorf("%s heard one too many: %s %s", who, m.Subject, m.Data)
		}
	}
}

// streamChanging are the subjects of JetStream's interface by which a stream can be
// changed, emptied, read or moved, and its consumers made and deleted.
var streamChanging = []string{
	"$JS.API.STREAM.CREATE.LEDGER", "$JS.API.STREAM.UPDATE.LEDGER", "$JS.API.STREAM.DELETE.LEDGER",
	"$JS.API.STREAM.PURGE.LEDGER", "$JS.API.STREAM.MSG.DELETE.LEDGER", "$JS.API.STREAM.MSG.GET.LEDGER",
	"$JS.API.STREAM.SNAPSHOT.LEDGER", "$JS.API.STREAM.RESTORE.LEDGER", "$JS.API.STREAM.INFO.LEDGER",
	"$JS.API.STREAM.LEADER.STEPDOWN.LEDGER", "$JS.API.STREAM.PEER.REMOVE.LEDGER", "$JS.API.STREAM.NAMES",
	"$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.MIRROR", "$JS.API.INFO", "$JS.API.DIRECT.GET.LEDGER",
	"$JS.API.DIRECT.GET.LEDGER.ledger.default.revoked", "$JS.API.CONSUMER.CREATE.LEDGER",
	"$JS.API.CONSUMER.CREATE.LEDGER.c", "$JS.API.CONSUMER.CREATE.LEDGER.c.ledger.default.revoked",
	"$JS.API.CONSUMER.DURABLE.CREATE.LEDGER.c", "$JS.API.CONSUMER.DELETE.LEDGER.c", "$JS.API.CONSUMER.INFO.LEDGER.c",
	"$JS.API.CONSUMER.LIST.LEDGER", "$JS.API.CONSUMER.NAMES.LEDGER", "$JS.API.CONSUMER.PAUSE.LEDGER.c",
	"$JS.API.CONSUMER.RESET.LEDGER.c", "$JS.API.CONSUMER.UNPIN.LEDGER.c", "$JS.API.CONSUMER.LEADER.STEPDOWN.LEDGER.c",
	"$JS.API.CONSUMER.MSG.NEXT.LEDGER.c", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.SERVER.REMOVE",
	"$JS.API.ACCOUNT.PURGE.$G", "$JS.API.ACCOUNT.STREAM.MOVE.$G.LEDGER", "$JS.ACK.LEDGER.c.1.1.1.1.1", "$JS.FC.LEDGER.c.x",
}

// What would change the stream is denied to everybody, to root too; so are other
// clients' subjects.
func TestNobodyReachesTheStreamOrOthersOverNATS(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	state := func() string {
		_, _, b := n.ask("GET", "/v1/audit/checkpoint", n.token, "")
		return strings.Join(strings.SplitN(string(b), "\n", 3)[:1], " ")
	}
	before := state()
	holders := map[string]string{"root": n.token}
	for _, scope := range []string{"ledger:admin", "ledger:audit:read", "ledger:revocations:read", "ledger:tokens:validate"} {
		_, holders[scope] = generate(t, c, scopes(scope))
	}
	for who, token := range holders {
		t.Run(who, func(t *testing.T) {
			n := *n
			n.t = t
			nc := n.natsAs(token)
			for _, subject := range streamChanging {
				nc.mayNotPublish(subject)
			}
			for _, subject := range []string{
				"ledger.default.revoked", "ledger.default.generated", "ledger.x", "revocations.default", "revocations.acme",
				"_INBOX.x", "_INBOX.x.y", "_R_.x", "tokenledger.other", "$SRV.OTHER", "$SYS.REQ.USER.INFO", "$SYS.REQ.SERVER.PING",
				"$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.CLAIMS.UPDATE", "anything",
			} {
				nc.mayNotPublish(subject)
			}
			for _, subject := range []string{
				">", "*", "*.>", "$SYS.>", "$JS.>", "$SRV.>", "$SRV.PING", "_R_.>", "_INBOX_01K7Q2Z8Y4M6N3P5R7T9V1W3X5.>", "_INBOX_*.>",
				"tokenledger.validate", "tokenledger.>", "$JS.API.>", "anything",
			} {
				nc.mayNotSubscribe(subject)
			}
			if who != "root" {
				for _, subject := range []string{"ledger.>", "ledger.*.revoked", "ledger.acme.>", "ledger.acme.revoked", "$SRV.STATS.tokenledger"} {
					nc.mayNotSubscribe(subject)
				}
				nc.mayNotPublish("$SRV.STATS")
				nc.mayNotPublish("$SRV.STATS.tokenledger")
			}
			if who == "ledger:audit:read" || who == "ledger:revocations:read" {
				nc.mayNotPublish("tokenledger.validate")
				nc.mayNotPublish("$SRV.PING")
				nc.mayNotSubscribe("_INBOX.>")
			}
			if who == "ledger:tokens:validate" {
				nc.mayNotSubscribe("revocations.>")
				nc.mayNotSubscribe("ledger.default.revoked")
			}
			// The header by which traces are asked for names a subject, too.
			if who == "root" {
				nc.mayNot("trace into the stream", func() error {
					return nc.PublishMsg(&nats.Msg{Subject: "tokenledger.validate", Reply: "_INBOX.x", Header: nats.Header{"Nats-Trace-Dest": {"ledger.default.revoked"}}})
				})
			}
		})
	}
	// The stream is there, and takes what the node writes.
	if _, err := c.Generate(t.Context(), api.GenerateRequest{Name: "after all that"}); err != nil {
		t.Error(err)
	}
	if after := state(); after != before {
		t.Errorf("the log was %q and is %q", before, after)
	}
	if status, _, b := n.ask("GET", "/readyz", "", ""); status != 200 {
		t.Errorf("readyz: %d %s", status, b)
	}
}

// Who signs in must hold something; and what is answered to one tenant no other hears.
func TestAnswersAreHeardByWhoAsked(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, plain := generate(t, c, scopes("orders:read"))
	if nc, err := nats.Connect(n.nats, nats.Token(plain), nats.MaxReconnects(0)); err == nil {
		nc.Close()
		t.Error("a token that may do nothing over NATS got in")
	}
	_, mine := generate(t, c, scopes("ledger:tokens:validate"))
	_, theirs := generate(t, c, in("acme", scopes("ledger:tokens:validate", "ledger:audit:read")))
	ears := []*nats.Subscription{n.natsAs(theirs).hears("_INBOX.>"), n.natsAs(n.token).hears("_INBOX.>")}
	asker := n.natsAs(mine)
	for range 5 {
		if v, p := asker.ask(body("token", plain)); !v.Active {
			t.Fatalf("%+v %+v", v, p)
		}
	}
	for i, ear := range ears {
		if m, err := ear.NextMsg(10 * time.Millisecond); err == nil {
			t.Errorf("%d heard another tenant's answer: %s", i, m.Data)
		}
	}
	// Within a tenant an inbox of one's own is heard by nobody else.
	id := strings.Split(mine, "_")[1]
	_, colleague := generate(t, c, scopes("ledger:tokens:validate"))
	curious := n.natsAs(colleague)
	curious.mayNotSubscribe("_INBOX_" + id + ".>")
	ear := curious.hears("_INBOX.>")
	private := n.natsAs(mine, nats.CustomInboxPrefix("_INBOX_"+id))
	if v, p := private.ask(body("token", plain)); !v.Active {
		t.Errorf("with an inbox of its own: %+v %+v", v, p)
	}
	if m, err := ear.NextMsg(10 * time.Millisecond); err == nil {
		t.Errorf("a colleague heard %s", m.Data)
	}
}

// A subscriber of a revoked token is put out and does not come back; the others stay.
func TestARevokedTokensClientsArePutOut(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	type one struct {
		tok    api.Token
		secret string
		conn   *natsClient
	}
	var all []one
	for range 4 {
		tok, secret := generate(t, c, scopes("ledger:tokens:validate", "ledger:revocations:read"))
		all = append(all, one{tok, secret, n.natsAs(secret)})
	}
	ends := map[int]func() error{
		0: func() error { _, err := c.Revoke(t.Context(), all[0].tok.ID, api.RevokeRequest{}); return err },
		1: func() error { _, err := c.Suspend(t.Context(), all[1].tok.ID, api.SuspendRequest{}); return err },
		2: func() error { _, err := c.Rotate(t.Context(), all[2].tok.ID, api.RotateRequest{}); return err },
	}
	for i := range 3 {
		if err := ends[i](); err != nil {
			t.Fatal(err)
		}
		// Before it is put out its requests are refused.
		if m, err := all[i].conn.Request("tokenledger.validate", []byte(body("token", all[3].secret)), 10*time.Second); err == nil && m.Header.Get("Nats-Service-Error-Code") != "401" {
			t.Errorf("%d: a token that has ended was answered %s", i, m.Data)
		}
		select {
		case <-all[i].conn.closed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d: a client stays whose token has ended", i)
		}
		if nc, err := nats.Connect(n.nats, nats.Token(all[i].secret), nats.MaxReconnects(0)); err == nil {
			nc.Close()
			t.Errorf("%d: it came back", i)
		}
	}
	if v, p := all[3].conn.ask(body("token", all[3].secret)); !v.Active {
		t.Errorf("another client: %+v %+v", v, p)
	}
	if _, err := c.Resume(t.Context(), all[1].tok.ID, api.SuspendRequest{}); err != nil {
		t.Fatal(err)
	}
	if v, p := n.natsAs(all[1].secret).ask(body("token", all[3].secret)); !v.Active {
		t.Errorf("a resumed token's client: %+v %+v", v, p)
	}
	eventually(t, "uses over NATS are counted as others are", func(ctx context.Context) bool {
		got, err := c.Token(ctx, all[3].tok.ID)
		// Signing in, asking once, and being asked about twice.
		return err == nil && got.UseCount == 4
	})
}
