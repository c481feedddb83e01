package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// history gives the token's events as text, once they have what is wanted.
func (n *node) history(id string, wants ...string) string {
	n.t.Helper()
	var text string
	eventually(n.t, "the record of "+id+" has "+strings.Join(wants, ", "), func(context.Context) bool {
		_, _, body := n.ask("GET", "/v1/tokens/"+id+"/history?limit=1000", n.token, "")
		text = string(body)
		return !slices.ContainsFunc(wants, func(w string) bool { return !strings.Contains(text, w) })
	})
	return text
}

// TestForwardAuth asks as proxies do.
func TestForwardAuth(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--trusted-proxies", "127.0.0.1,10.0.0.0/8")
	n.start()
	c := n.client()
	proxyToken, proxy := generate(t, c, api.GenerateRequest{Name: "proxy", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, theirProxy := generate(t, c, api.GenerateRequest{Name: "their proxy", Tenant: "acme", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, noProxy := generate(t, c, api.GenerateRequest{Name: "no proxy", TTL: "1d"})
	good, goodSecret := generate(t, c, api.GenerateRequest{Name: " Bücher\u00a0100% ", TTL: "1d", Scopes: []string{"orders:read", "orders:write"}})
	_, theirs := generate(t, c, api.GenerateRequest{Name: "theirs", Tenant: "acme", TTL: "1d", Scopes: []string{"orders:read"}})
	_, bound := generate(t, c, api.GenerateRequest{Name: "bound", TTL: "1d", Scopes: []string{"orders:read"}, AllowedCIDRs: []string{"192.0.2.0/24"}})
	_, boundBare := generate(t, c, api.GenerateRequest{Name: "bound, without scopes", TTL: "1d", AllowedCIDRs: []string{"192.0.2.0/24"}})
	key := "a key of another make; imported"
	n.must(200, "POST", "/v1/tokens/import", n.token, `{"sha256":"`+sha256Of(key)+`","name":"imported"}`)

	own, from := "X-Ledger-Authorization", "X-Forwarded-For"
	for _, tc := range []struct {
		what, query, proxy, bearer string
		headers                    []string
		status                     int
		code                       string
	}{
		{"a good token", "", proxy, goodSecret, nil, 200, ""},
		{"one scope", "?scope=orders:read", proxy, goodSecret, nil, 200, ""},
		{"both scopes", "?scope=orders:read%20orders:write", proxy, goodSecret, nil, 200, ""},
		{"a scope more", "?scope=orders:read+stock:read", proxy, goodSecret, nil, 403, "insufficient_scope"},
		{"no token", "", proxy, "", nil, 401, "no_token"},
		{"an unknown token", "", proxy, fresh(), nil, 401, "invalid_token"},
		{"an unknown token and a scope", "?scope=orders:read", proxy, fresh(), nil, 401, "invalid_token"},
		{"a bad query, without a token", "?scope=a%22b", proxy, "", nil, 400, "scope_invalid"},
		{"an empty scope", "?scope=", proxy, goodSecret, nil, 400, "query_invalid"},
		{"a scope of spaces", "?scope=%20", proxy, goodSecret, nil, 400, "query_invalid"},
		{"a scope twice", "?scope=orders:read&scope=stock:read", proxy, goodSecret, nil, 400, "query_invalid"},
		{"a mistyped scope", "?scopes=stock:read", proxy, goodSecret, nil, 400, "parameter_unknown"},
		{"a tenant that is none", "?tenant=A.B", proxy, goodSecret, nil, 400, "tenant_invalid"},
		{"another tenant, by a proxy of this", "?tenant=acme", proxy, goodSecret, nil, 403, "wrong_tenant"},
		{"another tenant's token", "", proxy, theirs, nil, 401, "invalid_token"},
		{"another tenant's token, by its proxy", "", theirProxy, theirs, nil, 200, ""},
		{"any token, by root", "", n.token, theirs, nil, 200, ""},
		{"a token of another tenant, by root", "?tenant=default", n.token, theirs, nil, 401, "invalid_token"},
		{"a proxy without a token", "", "", goodSecret, nil, 401, "proxy_not_authenticated"},
		{"a proxy with a bad token", "", fresh(), goodSecret, nil, 401, "proxy_not_authenticated"},
		{"a proxy that may not", "", noProxy, goodSecret, nil, 403, "permission_missing"},
		{"a proxy's header with underscores", "", "", goodSecret, []string{"X_Ledger_Authorization", "Bearer " + proxy}, 401, "proxy_not_authenticated"},
		{"an imported key", "", proxy, "", []string{"X-API-Key", key}, 200, ""},
		{"two imported keys, joined", "", proxy, "", []string{"X-API-Key", key + ", " + key}, 401, "invalid_token"},
		{"both headers", "", proxy, goodSecret, []string{"X-API-Key", goodSecret}, 401, "invalid_token"},
		{"bound, from there", "", proxy, bound, []string{from, "192.0.2.7"}, 200, ""},
		{"bound, through proxies", "", proxy, bound, []string{from, "192.0.2.7, 10.0.0.1,10.0.0.2"}, 200, ""},
		{"bound, from elsewhere", "", proxy, bound, []string{from, "192.0.2.7, 203.0.113.1, 10.0.0.2"}, 401, "invalid_token"},
		{"bound, from what is no address", "", proxy, bound, []string{from, "192.0.2.7, unknown"}, 401, "invalid_token"},
		{"bound, not known from where", "", proxy, bound, nil, 401, "invalid_token"},
		{"bound elsewhere and without the scope", "?scope=orders:read", proxy, boundBare, []string{from, "203.0.113.1"}, 401, "invalid_token"},
		{"bound here and without the scope", "?scope=orders:read", proxy, boundBare, []string{from, "192.0.2.1"}, 403, "insufficient_scope"},
	} {
		headers := slices.Clone(tc.headers)
		if tc.proxy != "" {
			headers = append(headers, own, "Bearer "+tc.proxy)
		}
		status, header, body := n.ask("GET", "/v1/authorize"+tc.query, tc.bearer, "", headers...)
		code := ""
		if status != 200 {
			code = decoded[api.Problem](t, body).Code
		} else if len(header["X-Token-Id"]) != 1 || len(header["X-Token-Tenant"]) != 1 || len(header["X-Token-Name"]) != 1 || len(header["X-Token-Scopes"]) != 1 || len(body) > 0 {
			t.Errorf("%s: %v %s", tc.what, header, body)
		}
		if status != tc.status || code != tc.code {
			t.Errorf("%s: %d %s, want %d %s", tc.what, status, body, tc.status, tc.code)
		}
		for _, word := range []string{"unknown", "ip_denied", "site_mismatch", "bad_secret"} {
			if status == 401 && strings.Contains(string(body)+header.Get("WWW-Authenticate"), word) {
				t.Errorf("%s: the bearer is told why: %s", tc.what, body)
			}
		}
		if status == 403 && code == "insufficient_scope" && !strings.Contains(header.Get("WWW-Authenticate"), `scope="orders:read`) {
			t.Errorf("%s: %q", tc.what, header.Get("WWW-Authenticate"))
		}
	}

	status, header, body := n.ask("HEAD", "/v1/authorize", goodSecret, "", own, "Bearer "+proxy)
	if name := header.Get("X-Token-Name"); status != 200 || len(body) > 0 || name != "B%C3%BCcher%C2%A0100%25" && name != "%20B%C3%BCcher%C2%A0100%25%20" {
		t.Errorf("HEAD: %d %q", status, name)
	}

	// The record says what the request was, without its query, and without tokens.
	escaped := strings.Replace(goodSecret, "_", "%5F", 2)
	n.ask("GET", "/v1/authorize?scope=orders:read", goodSecret, "", own, "Bearer "+proxy, from, "192.0.2.7",
		"X-Forwarded-Method", "PUT", "X-Forwarded-Uri", "/orders/"+escaped+"?key="+goodSecret, "User-Agent", "shop "+goodSecret)
	text := n.history(good.ID, `"resource":"PUT /orders/[token]"`, `"user_agent":"shop [token]"`, `"ip":"192.0.2.7"`, `"reason":"insufficient_scope"`, `"scopes":["orders:read"]`, `"id":"`+proxyToken.ID+`"`)
	if strings.Contains(text, goodSecret[30:]) {
		t.Errorf("the record holds the token: %s", text)
	}
	if text := n.history(proxyToken.ID, `"resource":"GET /v1/authorize"`); strings.Contains(text, "shop [token]") {
		t.Errorf("the proxy is recorded with the user agent of the client: %s", text)
	}
	n.must(200, "POST", "/v1/tokens/"+proxyToken.ID+"/revoke", n.token, "")
	if status, _, body := n.ask("GET", "/v1/authorize", goodSecret, "", own, "Bearer "+proxy); status != 401 {
		t.Errorf("a proxy whose token was revoked: %d %s", status, body)
	}
}

// TestOpenForwardAuth answers whoever asks, and believes nobody about addresses.
func TestOpenForwardAuth(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--forward-auth-open")
	n.start()
	tok, secret := generate(t, n.client(), api.GenerateRequest{Name: "theirs", Tenant: "acme", TTL: "1d"})
	_, bound := generate(t, n.client(), api.GenerateRequest{Name: "bound", TTL: "1d", AllowedCIDRs: []string{"192.0.2.0/24", "127.0.0.1/32"}})
	for _, tc := range []struct {
		query, bearer string
		status        int
	}{
		{"", secret, 200}, {"?tenant=acme", secret, 200}, {"?tenant=default", secret, 401}, {"?tenant=-", secret, 400},
		{"", fresh(), 401}, {"", "", 401}, {"?scope=orders:read", secret, 403}, {"?x=y", secret, 400},
		{"", bound, 401}, // a peer that is no configured proxy may be one all the same
	} {
		status, _, body := n.ask("GET", "/v1/authorize"+tc.query, tc.bearer, "", "X-Forwarded-For", "192.0.2.7")
		if status != tc.status {
			t.Errorf("%q: %d %s, want %d", tc.query, status, body, tc.status)
		}
	}
	n.history(tok.ID, `"type":"system"`, "token.used.v1")
}

// TestForwardAuthOverTheWire sends heads that programs read differently.
func TestForwardAuthOverTheWire(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	_, proxy := generate(t, n.client(), api.GenerateRequest{Name: "proxy", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, good := generate(t, n.client(), api.GenerateRequest{Name: "good", TTL: "1d"})
	own := "X-Ledger-Authorization: Bearer " + proxy + "\r\n"
	bearer := "Authorization: Bearer " + good + "\r\n"
	for what, tc := range map[string]struct {
		headers string
		want    []int
	}{
		"as it should be":            {own + bearer, []int{200}},
		"odd case":                   {"x-LEDGER-authorization: bearer " + proxy + "\r\nauthorization: BEARER " + good + "\r\n", []int{200}},
		"two of the bearer's":        {own + bearer + bearer, []int{401}},
		"two of the proxy's":         {own + own + bearer, []int{400}},
		"two of the proxy's, joined": {"X-Ledger-Authorization: Bearer " + proxy + ", Bearer " + proxy + "\r\n" + bearer, []int{401}},
		"a folded line":              {own + "Authorization: Bearer\r\n " + good + "\r\n", []int{200, 400}}, // RFC 9112, 5.2: refused, or read as a space
		"a NUL":                      {own + "Authorization: Bearer " + good + "\x00\r\n", []int{400}},
		"a bare CR":                  {own + "Authorization: Bearer " + good + "\rX: y\r\n", []int{400}},
		"a space in the name":        {own + "Authorization : Bearer " + good + "\r\n", []int{400}},
		"a length and an encoding":   {own + bearer + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", []int{200, 400}},
		"an encoding that is none":   {own + bearer + "Transfer-Encoding: xchunked\r\n", []int{501}},
		"a key with underscores":     {own + "X_API_Key: " + good + "\r\n", []int{401}},
		"the token in the query":     {"", []int{400}},
	} {
		path := "/v1/authorize"
		if tc.headers == "" {
			path += "?token=" + good
		}
		got := n.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + tc.headers + "\r\n0\r\n\r\n")
		if len(got) == 0 || !slices.Contains(tc.want, got[0]) {
			t.Errorf("%s: %v, want one of %v", what, got, tc.want)
		}
		if len(got) > 1 && slices.Contains(got[1:], http.StatusOK) {
			t.Errorf("%s: another answer of 200 follows: %v", what, got)
		}
	}
}

// TestSettingsOfProxies refuses what cannot be meant.
func TestSettingsOfProxies(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--trusted-proxies", "0.0.0.0/0"}, {"--trusted-proxies", "::/0"}, {"--trusted-proxies", "here"}, {"--trusted-proxies", "10.0.0.0/33"},
		{"--public-url", "http://ledger.example"}, {"--public-url", "https://ledger.example/path"}, {"--public-url", "https://u:p@ledger.example"},
		{"--public-url", "https://ledger.example?x=y"}, {"--public-url", "https://ledger.example#x"}, {"--public-url", "ftp://ledger.example"}, {"--public-url", "ledger.example"},
		{"--ext-authz-listen", "0.0.0.0:0"}, {"--ext-authz-listen", "nowhere"},
	} {
		n := newNode(t, args...)
		n.launch()
		if code := n.end(); code != 2 || !strings.Contains(n.log.String(), args[0]) {
			t.Errorf("%v: exit code %d: %s", args, code, n.log.String())
		}
	}
}
