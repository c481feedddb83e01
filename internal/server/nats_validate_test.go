package server_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/client/api"
)

// What is asked over NATS is answered as over HTTP, to the letter.
func TestValidationOverNATSIsThatOverHTTP(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, gateway := generate(t, c, scopes("ledger:tokens:validate"))
	_, elsewhere := generate(t, c, in("acme", scopes("ledger:tokens:validate")))
	_, good := generate(t, c, api.GenerateRequest{Name: "Süd \"x\"", Site: "shop.example", Scopes: []string{"orders:read"}})
	_, bound := generate(t, c, api.GenerateRequest{Name: "bound", AllowedCIDRs: []string{"192.0.2.0/24"}})
	gone, revoked := generate(t, c, api.GenerateRequest{Name: "gone"})
	if _, err := c.Revoke(t.Context(), gone.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	bodies := []string{
		body("token", good), body("token", revoked), body("token", bound), body("token", bound, "client_ip", "192.0.2.7"),
		body("token", good[:len(good)-1]), body("token", fresh()), body("token", ""), `{}`,
		`{"token":"` + good + `","scopes":["orders:write"]}`, body("token", good, "site", "other.example"),
		body("token", good, "client_ip", "localhost"), body("tok", good), `{"token":7}`, ``, `[]`, `{"token":"a","token":"b"}`, "\xff",
		`{"token":"` + good + `","scopes":["` + strings.Repeat(`a","`, 64) + `a"]}`,
		body("token", good, "user_agent", strings.Repeat("x", 200<<10)),
	}
	for who, token := range map[string]string{"gateway": gateway, "elsewhere": elsewhere, "root": n.token} {
		nc := n.natsAs(token)
		bodies := bodies
		if who == "gateway" { // which takes until the node gives up waiting
			bodies = append(bodies, `{"token":"`+good+`","min_seq":18446744073709551615}`)
		}
		for i, b := range bodies {
			got, err := nc.Request("tokenledger.validate", []byte(b), 30*time.Second)
			if err != nil {
				t.Fatalf("%s, body %d: %v", who, i, err)
			}
			status, header, want := n.ask("POST", "/v1/tokens/validate", token, b)
			if s := got.Header.Get("Nats-Service-Error-Code"); status == 200 && s != "" || status != 200 && s != jsonNumber(status) {
				t.Errorf("%s, body %d: the code is %q, over HTTP %d", who, i, s, status)
			}
			if status != 200 && got.Header.Get("Content-Type") != header.Get("Content-Type") {
				t.Errorf("%s, body %d: %v", who, i, got.Header)
			}
			if g, w := comparable(t, got.Data), comparable(t, want); g != w {
				t.Errorf("%s, body %d:\nNATS %s\nHTTP %s", who, i, g, w)
			}
		}
	}
}

func jsonNumber(v any) string { b, _ := json.Marshal(v); return string(b) }

// comparable leaves out what differs from one request to the next.
func comparable(t *testing.T, answer []byte) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(answer, &m); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	delete(m, "request_id")
	delete(m, "as_of_seq")
	if m["code"] == "behind" {
		delete(m, "detail") // has the sequence
	}
	return jsonNumber(m)
}

// The token in the request comes before that of the connection, if there is one and no
// more.
func TestATokenInTheRequestComesFirst(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, mine := generate(t, c, scopes("ledger:tokens:validate"))
	_, theirs := generate(t, c, in("acme", scopes("ledger:tokens:validate")))
	_, reader := generate(t, c, scopes("ledger:tokens:read"))
	_, far := generate(t, c, api.GenerateRequest{Name: "far", Scopes: []string{"ledger:tokens:validate"}, AllowedCIDRs: []string{"192.0.2.0/24"}})
	_, near := generate(t, c, api.GenerateRequest{Name: "near", Scopes: []string{"ledger:tokens:validate"}, AllowedCIDRs: []string{"127.0.0.0/8"}})
	_, of := generate(t, c, in("acme", api.GenerateRequest{Name: "asked about"}))
	nc := n.natsAs(mine)
	for _, tc := range []struct {
		header []string
		reason string
		code   string
	}{
		{nil, "unknown", ""},
		{[]string{"Authorization", "Bearer " + theirs}, "", ""},
		{[]string{"authorization", "bearer " + theirs}, "", ""},
		{[]string{"Authorization", "Bearer " + fresh()}, "", "invalid_token"},
		{[]string{"Authorization", "Bearer " + reader}, "", "permission_missing"},
		{[]string{"Authorization", "Bearer " + far}, "", "invalid_token"},
		{[]string{"Authorization", "Bearer " + near}, "unknown", ""},
		{[]string{"Authorization", ""}, "", "no_token"},
		{[]string{"Authorization", theirs}, "", "no_token"},
		{[]string{"Authorization", "Bearer " + theirs, "Authorization", "Bearer " + theirs}, "", "header_repeated"},
		{[]string{"Authorization", "Bearer " + theirs, "AUTHORIZATION", "Bearer " + mine}, "", "header_repeated"},
		{[]string{"Nats-Request-Info", `{"acc":"acme","user":"x"}`}, "unknown", ""},
	} {
		v, p := nc.ask(body("token", of), tc.header...)
		if p.Code != tc.code || v.Reason != tc.reason || v.Active != (tc.code == "" && tc.reason == "") {
			t.Errorf("%q: %+v %+v", tc.header, v, p)
		}
	}
	if s := n.log.String(); strings.Contains(s, mine) || strings.Contains(s, theirs) || strings.Contains(s, "!0x") {
		t.Error("the log has a secret")
	}
}

// A client that asks far more than the node takes at a time is told so, and keeps
// nobody else from being answered.
func TestAFloodOverNATSIsAnsweredOrRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, gateway := generate(t, c, scopes("ledger:tokens:validate"))
	tok, good := generate(t, c, api.GenerateRequest{Name: "busy"})
	nc := n.natsAs(gateway)
	const requests = 6000
	var active, busy atomic.Int64
	var all sync.WaitGroup
	all.Add(requests)
	inbox := nats.NewInbox()
	if _, err := nc.Subscribe(inbox, func(m *nats.Msg) {
		defer all.Done()
		switch m.Header.Get("Nats-Service-Error-Code") {
		case "":
			active.Add(1)
		case "503":
			busy.Add(1)
		default:
			t.Errorf("answered %v %s", m.Header, m.Data)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for range requests {
		if err := nc.PublishRequest("tokenledger.validate", inbox, []byte(body("token", good))); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := c.Validate(t.Context(), api.ValidateRequest{Token: good}); err != nil || !v.Active {
		t.Errorf("meanwhile, over HTTP: %+v, %v", v, err)
	}
	answered := make(chan struct{})
	go func() { all.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(time.Minute):
		t.Fatalf("%d were answered, %d refused, of %d", active.Load(), busy.Load(), requests)
	}
	t.Logf("%d were answered, %d refused", active.Load(), busy.Load())
	eventually(t, "each that was answered is counted", func(ctx context.Context) bool {
		got, err := c.Token(ctx, tok.ID)
		return err == nil && got.UseCount == uint64(active.Load())+1
	})
	// The node stops in order while requests come.
	for range 500 {
		if err := nc.PublishRequest("tokenledger.validate", nats.NewInbox(), []byte(body("token", good))); err != nil {
			t.Fatal(err)
		}
	}
	n.stop()
}

// On a NATS server of others a request bears its token; what its header says of the
// connection is not believed, and the answer goes to inboxes alone.
func TestValidationOverAnExternalNATS(t *testing.T) {
	t.Parallel()
	x := newExternal(t)
	n := newNode(t, "--nats-url", x.url())
	n.start()
	c := n.client()
	n.nats = x.url()
	_, gateway := generate(t, c, scopes("ledger:tokens:validate"))
	_, good := generate(t, c, api.GenerateRequest{Name: "good"})
	nc := n.natsAs("") // anybody may connect to this one
	if v, p := nc.ask(body("token", good), "Authorization", "Bearer "+gateway); !v.Active {
		t.Errorf("%+v %+v", v, p)
	}
	id := strings.Split(gateway, "_")[1]
	for _, header := range [][]string{nil, {"Nats-Request-Info", `{"acc":"default","user":"` + id + `"}`}} {
		if _, p := nc.ask(body("token", good), header...); p.Code != "no_token" {
			t.Errorf("%q: %+v", header, p)
		}
	}

	js, err := jetstream.New(nc.Conn)
	if err != nil {
		t.Fatal(err)
	}
	last := func() uint64 {
		s, err := js.Stream(t.Context(), "LEDGER")
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.Msgs
	}
	heard := nc.hears("ledger.>")
	for _, subject := range []string{"tokenledger.validate", "$SRV.PING", "$SRV.INFO.tokenledger", "$SRV.STATS"} {
		for _, reply := range []string{"ledger.default.revoked", "$JS.API.STREAM.PURGE.LEDGER", "tokenledger.validate"} {
			m := &nats.Msg{Subject: subject, Reply: reply, Data: []byte(body("token", good)), Header: nats.Header{"Authorization": {"Bearer " + gateway}}}
			if err := nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What came behind those has been answered, so those have been passed over.
	if v, p := nc.ask(body("token", good), "Authorization", "Bearer "+gateway); !v.Active {
		t.Errorf("%+v %+v", v, p)
	}
	if m, err := nc.Request("$SRV.PING.tokenledger", nil, 30*time.Second); err != nil || !strings.Contains(string(m.Data), "io.nats.micro.v1.ping_response") {
		t.Errorf("ping: %v %v", m, err)
	}
	if m, err := heard.NextMsg(10 * time.Millisecond); err == nil && !strings.HasSuffix(m.Subject, ".used") {
		t.Errorf("the node published to %s: %s", m.Subject, m.Data)
	}
	if status, _, b := n.ask("GET", "/readyz", "", ""); status != 200 || last() == 0 {
		t.Errorf("readyz: %d %s", status, b)
	}

	// A node that finds a stream which does not publish revocations again leaves it so,
	// and says what is to be set.
	n.stop()
	s, err := js.Stream(t.Context(), "LEDGER")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	if cfg.RePublish == nil {
		t.Fatal("the stream that the node made does not publish revocations again")
	}
	cfg.RePublish = nil
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	n.log.Reset()
	n.start()
	if log := n.log.String(); !strings.Contains(log, "docs/nats.md") || !strings.Contains(log, "ledger.*.revoked") {
		t.Errorf("the log does not say what to set: %s", log)
	}
	if s, err = js.Stream(t.Context(), "LEDGER"); err != nil || s.CachedInfo().Config.RePublish != nil {
		t.Errorf("the stream was changed (%v)", err)
	}
}

// A client can have an answer sent to a subject that others of its account listen to. It
// is told from what comes there by its headers, and does not leave the account.
func TestAnAnswerDoesNotPassForARevocation(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, mine := generate(t, c, scopes("ledger:admin"))
	_, theirs := generate(t, c, in("acme", scopes("ledger:admin")))
	nc := n.natsAs(mine)
	heard := nc.hears("revocations.>")
	events := nc.hears("ledger.default.>")
	others := []*nats.Subscription{n.natsAs(theirs).hears("revocations.>"), n.natsAs(n.token).hears("revocations.>")}
	for _, reply := range []string{"revocations.default", "revocations.acme", "ledger.default.revoked"} {
		for _, b := range []string{body("token", mine), "{"} {
			m := &nats.Msg{Subject: "tokenledger.validate", Reply: reply, Data: []byte(b), Header: nats.Header{"Nats-Sequence": {"9"}, "Content-Type": {"application/cloudevents+json"}}}
			if err := nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	tok, _ := generate(t, c, api.GenerateRequest{Name: "really"})
	if _, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	for real := false; !real; {
		m, err := heard.NextMsg(30 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		real = strings.Contains(string(m.Data), tok.ID)
		if has := m.Header.Get("Nats-Sequence") != ""; has != real {
			t.Errorf("heard %v %s", m.Header, m.Data)
		}
	}
	for real := false; !real; {
		m, err := events.NextMsg(30 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		is := m.Header.Get("Content-Type") == "application/cloudevents+json"
		if real = is && strings.Contains(string(m.Data), "token.revoked"); is && !strings.Contains(string(m.Data), "specversion") {
			t.Errorf("heard %v %s", m.Header, m.Data)
		}
	}
	for i, sub := range others {
		for {
			m, err := sub.NextMsg(10 * time.Millisecond)
			if err != nil {
				break
			}
			if !strings.Contains(string(m.Data), tok.ID) || i == 0 {
				t.Errorf("another account heard %s", m.Data)
			}
		}
	}
	if status, _, b := n.ask("GET", "/readyz", "", ""); status != 200 {
		t.Errorf("readyz: %d %s", status, b)
	}
}

// The service says what it is to who looks for it, and how much it does to root alone.
func TestTheServiceMakesItselfKnown(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	_, gateway := generate(t, n.client(), scopes("ledger:tokens:validate"))
	nc := n.natsAs(gateway)
	var info struct {
		Name, ID, Version, Type string
		Endpoints               []struct {
			Name, Subject string
			QueueGroup    string `json:"queue_group"`
		}
	}
	for _, subject := range []string{"$SRV.PING", "$SRV.PING.tokenledger", "$SRV.INFO", "$SRV.INFO.tokenledger"} {
		m, err := nc.Request(subject, nil, 30*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		if err := json.Unmarshal(m.Data, &info); err != nil || info.Name != "tokenledger" {
			t.Errorf("%s: %s", subject, m.Data)
		}
	}
	if m, err := nc.Request("$SRV.PING.tokenledger."+info.ID, nil, 30*time.Second); err != nil || !strings.Contains(string(m.Data), info.ID) {
		t.Errorf("one of the service: %v", err)
	}
	if len(info.Endpoints) != 1 || info.Endpoints[0].Subject != "tokenledger.validate" || info.Endpoints[0].QueueGroup != "q" {
		t.Errorf("the endpoints are %+v", info.Endpoints)
	}
	nc.ask(body("token", gateway))
	nc.ask("{")
	m, err := n.natsAs(n.token).Request("$SRV.STATS.tokenledger", nil, 30*time.Second)
	var stats struct {
		Endpoints []struct {
			Requests  int    `json:"num_requests"`
			Errors    int    `json:"num_errors"`
			LastError string `json:"last_error"`
		}
	}
	if err == nil {
		err = json.Unmarshal(m.Data, &stats)
	}
	if err != nil || len(stats.Endpoints) != 1 || stats.Endpoints[0].Requests != 2 || stats.Endpoints[0].Errors != 1 || stats.Endpoints[0].LastError != "body_invalid" {
		t.Errorf("the figures are %+v (%v)", stats, err)
	}
	_, _, figures := n.ask("GET", "/metrics", "", "")
	if !strings.Contains(string(figures), `tokenledger_nats_requests_total{status="400"} 1`) {
		t.Error("the metrics do not have the request that was refused")
	}
}
