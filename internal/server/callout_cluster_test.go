package server_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	natsd "github.com/nats-io/nats-server/v2/server"

	"github.com/tokenledger/tokenledger/client/api"
)

// newDocumentedCluster runs two servers by docs/nats/server.conf that are one cluster.
func newDocumentedCluster(t *testing.T) (one, two *documented) {
	t.Helper()
	routes := make([]string, 2)
	for i := range routes { // both have to be known before either starts
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		routes[i] = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	one = &documented{t: t, dir: t.TempDir(), port: natsd.RANDOM_PORT}
	one.makeKeys()
	two = &documented{t: t, dir: one.dir, port: natsd.RANDOM_PORT}
	two.conf = strings.ReplaceAll(strings.Replace(one.conf, "server_name: nats-1", "server_name: nats-2", 1), one.file("store"), one.file("store-2"))
	for i, d := range []*documented{one, two} {
		d.conf += fmt.Sprintf("\ncluster { name: test, listen: %q, routes: [ %q ] }\n", routes[i], "nats-route://"+routes[1-i])
		d.configure()
		d.begin()
		t.Cleanup(d.stop)
	}
	for _, d := range []*documented{one, two} {
		d.ready()
		eventually(t, "JetStream is usable", func(context.Context) bool { return d.server.JetStreamIsCurrent() })
	}
	return one, two
}

// A client is let in, and put out, on another server than the one that the node is
// connected to; the node that puts it out need not have let it in.
func TestCalloutInACluster(t *testing.T) {
	t.Parallel()
	one, two := newDocumentedCluster(t)
	n := one.node("--nats-sys-creds", one.file("SYSTEM"))
	n.start()
	first, ofFirst := generate(t, n.client(), api.GenerateRequest{Name: "first", Scopes: []string{"ledger:revocations:read"}})
	second, ofSecond := generate(t, n.client(), api.GenerateRequest{Name: "second", Tenant: "acme", Scopes: []string{"ledger:revocations:read"}})
	a, b, here := two.guest(ofFirst), two.guest(ofSecond), one.guest(ofSecond)
	heard := b.hear("ledger.acme.revoked")
	if _, err := n.client().Revoke(t.Context(), first.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	await(t, "it is put out by the node that let it in", a.closed)

	other := one.node("--nats-sys-creds", one.file("SYSTEM"))
	other.token = n.token
	other.start()
	n.kill()
	if _, err := other.client().Revoke(t.Context(), second.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := subjectOf(t, await(t, "it hears of its own end", heard)); got != second.ID {
		t.Errorf("heard of %s", got)
	}
	await(t, "it is put out by the other node", b.closed)
	await(t, "on the other server, too", here.closed)
}
