package server_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tokenledger/tokenledger/client/api"
)

// What the embedded server gives its clients comes through the imports of
// docs/nats/server.conf as well: the copies of revocations, and the service.
func TestCalloutImports(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	n := d.node()
	n.start()
	c := n.client()
	_, reader := generate(t, c, api.GenerateRequest{Name: "reader", Tenant: "acme", Scopes: []string{"ledger:revocations:read"}})
	_, gateway := generate(t, c, api.GenerateRequest{Name: "gateway", Tenant: "acme", Scopes: []string{"ledger:tokens:validate"}})
	_, other := generate(t, c, api.GenerateRequest{Name: "default's reader", Scopes: []string{"ledger:revocations:read"}})
	good, ofGood := generate(t, c, api.GenerateRequest{Name: "good", Tenant: "acme"})
	_, foreign := generate(t, c, api.GenerateRequest{Name: "default's"})
	r, g := d.guest(reader), d.guest(gateway)

	t.Run("revocations", func(t *testing.T) {
		heard, elsewhere := r.hear("revocations.>"), d.guest(other).hear("revocations.>")
		theirs, _ := generate(t, c, api.GenerateRequest{Name: "of default"})
		mine, _ := generate(t, c, api.GenerateRequest{Name: "of acme", Tenant: "acme"})
		for _, id := range []string{theirs.ID, mine.ID} {
			if _, err := c.Revoke(t.Context(), id, api.RevokeRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		m := await(t, "acme hears of its revocation", heard)
		if got := subjectOf(t, m); got != mine.ID || m.Subject != "revocations.acme" || m.Header.Get("Nats-Sequence") == "" {
			t.Errorf("acme heard of %s on %s, sequence %q", got, m.Subject, m.Header.Get("Nats-Sequence"))
		}
		if m = await(t, "default hears of its revocation", elsewhere); subjectOf(t, m) != theirs.ID {
			t.Errorf("default heard on %s", m.Subject)
		}
		if len(heard) > 0 || len(elsewhere) > 0 {
			t.Error("a tenant heard more than its own")
		}
	})

	ask := func(as, token string) (v api.ValidateAnswer, m *nats.Msg) {
		body, err := json.Marshal(api.ValidateRequest{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		m, err = g.RequestMsg(&nats.Msg{Subject: "tokenledger.validate", Data: body, Header: nats.Header{"Authorization": {"Bearer " + as}}}, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(m.Data, &v); err != nil {
			t.Fatalf("%s: %v", m.Data, err)
		}
		return v, m
	}
	t.Run("the service", func(t *testing.T) {
		if v, m := ask(gateway, ofGood); !v.Active || v.Token.ID != good.ID {
			t.Errorf("a good token: %s", m.Data)
		}
		if v, m := ask(gateway, foreign); v.Active {
			t.Errorf("another tenant's token: %s", m.Data)
		}
		if v, m := ask(reader, ofGood); v.Active || m.Header.Get("Nats-Service-Error-Code") != "403" {
			t.Errorf("asked with a token without the permission: %v %s", m.Header, m.Data)
		}
		// The connection alone says nothing here: its name is the operator's server's word.
		m, err := g.Request("tokenledger.validate", []byte(`{"token":"`+ofGood+`"}`), 30*time.Second)
		if err != nil || m.Header.Get("Nats-Service-Error-Code") != "401" {
			t.Errorf("asked without a token: %v, %v", m, err)
		}
		if _, err := g.Request("$SRV.PING.tokenledger", nil, 30*time.Second); err != nil {
			t.Errorf("the service is not found: %v", err)
		}
	})
	t.Run("not the service", func(t *testing.T) {
		for _, subject := range []string{"tokenledger.validate", "$SRV.PING", "$SRV.STATS"} {
			r.mayNot("ask "+subject, func() error { return r.Publish(subject, nil) })
		}
		g.mayNot("ask for the figures", func() error { return g.Publish("$SRV.STATS.tokenledger", nil) })
		g.mayNot("hear revocations", func() error { _, err := g.SubscribeSync("revocations.>"); return err })
		for _, subject := range changing {
			g.mayNot("publish to "+subject, func() error { return g.Publish(subject, nil) })
		}
		// A reply subject is not a way into the stream.
		g.mayNot("be answered on the stream", func() error { return g.PublishRequest("ledger.acme.revoked", "x", nil) })
		if err := g.PublishRequest("tokenledger.validate", "ledger.acme.revoked", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Generate(t.Context(), api.GenerateRequest{Name: "the stream is as it was"}); err != nil {
			t.Error(err)
		}
		n.must(200, "GET", "/readyz", "", "")
	})
}
