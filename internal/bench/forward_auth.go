package bench

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
)

// runForwardAuth is the suite forward-auth: proxies that ask GET /v1/authorize over kept
// connections. Behind a proxy a client sends one request after another, so few tokens are
// presented often at a time: those of activeClients clients.
func runForwardAuth(ctx context.Context, b *bench, dir string) (o outcome, cs Conditions, err error) {
	v := &validating{b: b}
	cs.add("connections", connections)
	cs.add("tokens", b.Tokens)
	cs.add("presented", "any of 1,000 tokens of them, each with the same probability")
	cs.add("floor_is", "a handler that reads the same headers and query, writes the same headers, and looks nothing up")
	if err := v.prepare(ctx, dir, &cs); err != nil {
		return o, nil, err
	}
	defer v.n.Shutdown()
	bareAddr, stop, err := startBareServer(authorizeBare)
	if err != nil {
		return o, nil, err
	}
	defer stop()
	v.connect(bareAddr)
	v.bare = newLoad(bareAddr, v.bearer, v.tokens, active)
	v.skewed = newLoad(v.uniform.addr, v.bearer, v.tokens, active)
	for _, l := range []*load{v.bare, v.uniform, v.skewed} {
		l.dial = dialProxy
	}
	if o, err = b.alternate(ctx, b.Slice, v.floor, v.product(v.skewed)); err != nil {
		return o, nil, err
	}
	// Each request with a token that was not seen lately comes to an event of its own,
	// whose way through the stream takes the same processors.
	b.step("with all tokens presented alike")
	even, err := clean(ctx, b.Slice, v.product(v.uniform))
	if err != nil {
		return o, nil, err
	}
	cs.add("value_any_token_alike", even.rate())
	b.step("comparing what was answered with what was recorded")
	return o, cs, v.verify(&cs)
}

// activeClients is the number of tokens that are in use at a time.
const activeClients = 1000

// active gives each of activeClients of n, spread over all, with the same probability.
func active(rng *rand.Rand, n int) func() int {
	step := n / activeClients
	return func() int { return rng.IntN(activeClients) * step }
}

// dialProxy connects as a proxy: a request is what nginx and Caddy send of one that
// they hold back.
func dialProxy(ctx context.Context, addr, bearer string, width int) (*connection, error) {
	return dialWith(ctx, addr, "X-Token-Id: ", width, func(blank string) string {
		return "GET /v1/authorize?scope=orders:read HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: tokenledger-bench\r\n" +
			"Authorization: Bearer " + blank + "\r\nX-Ledger-Authorization: Bearer " + bearer + "\r\n" +
			"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /orders\r\n\r\n"
	})
}

// authorizeBare is the floor of forward-auth: it reads the same headers and the same query
// as the product, writes the same headers, and looks nothing up.
func authorizeBare(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	scope := r.URL.Query().Get("scope")
	from, err := netip.ParseAddr(r.Header.Get("X-Forwarded-For"))
	resource := r.Header.Get("X-Forwarded-Method") + " " + r.Header.Get("X-Forwarded-Uri")
	if !ok || len(token) < 29 || scope == "" || err != nil || !from.IsValid() || resource == " " ||
		r.Header.Get("X-Ledger-Authorization") == "" || r.Header.Get("X-Api-Key") != "" || r.UserAgent() == "" || r.Header.Get("X-Request-Id") != "" {
		http.Error(w, "not what the product is asked", http.StatusBadRequest)
		return
	}
	h := w.Header()
	for _, pair := range bareHeaders {
		h[pair[0]] = pair[1:]
	}
	h["X-Token-Id"] = []string{token[3:29]}
	h["X-Token-Tenant"] = []string{"default"}
	h["X-Token-Name"] = []string{"shop 1000000 checkout"}
	h["X-Token-Scopes"] = []string{"orders:read orders:write"}
	w.WriteHeader(http.StatusOK)
}

// bareHeaders are those that every answer of a node bears. They are only read.
var bareHeaders = [][]string{
	{"X-Request-Id", "01M84QG9Q3634M7SGPTT7QBC16"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"}, {"Referrer-Policy", "no-referrer"}, {"Cross-Origin-Resource-Policy", "same-origin"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
}
