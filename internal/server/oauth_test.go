package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// basic is a header of the scheme Basic as OAuth has it.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(user)+":"+url.QueryEscape(password)))
}

// post sends a form with the header Authorization as it is.
func (n *node) post(path, authorization, form string, headers ...string) (int, http.Header, []byte) {
	n.t.Helper()
	headers = append([]string{"Content-Type", formType}, headers...)
	if authorization != "" {
		headers = append(headers, "Authorization", authorization)
	}
	return n.ask("POST", path, "", form, headers...)
}

const inactive = `{"active":false}` + "\n"

// TestIntrospection holds introspection against RFC 7662.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--public-url", "https://ledger.example/")
	n.start()
	c := n.client()
	caller, callerSecret := generate(t, c, api.GenerateRequest{Name: "resource server", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, other := generate(t, c, api.GenerateRequest{Name: "other tenant's", Tenant: "acme", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	tok, secret := generate(t, c, api.GenerateRequest{Name: "shop", Owner: "ops", Site: "shop.example", TTL: "2d", Scopes: []string{"orders:read", "stock:*"}})
	bare, bareSecret := generate(t, c, api.GenerateRequest{Name: "bare"})
	_, bound := generate(t, c, api.GenerateRequest{Name: "bound", TTL: "1d", AllowedCIDRs: []string{"192.0.2.0/24"}})
	planned, plannedSecret := generate(t, c, api.GenerateRequest{Name: "planned", TTL: "2d"})
	end := time.Now().Add(time.Hour)
	if _, err := c.Revoke(t.Context(), planned.ID, api.RevokeRequest{EffectiveAt: &end}); err != nil {
		t.Fatal(err)
	}
	gone, goneSecret := generate(t, c, api.GenerateRequest{Name: "gone", TTL: "1d"})
	n.must(200, "POST", "/v1/tokens/"+gone.ID+"/revoke", n.token, "")
	own := basic(caller.ID, callerSecret)
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}

	status, _, body := n.post("/oauth2/introspect", own, form("token", secret))
	want := fmt.Sprintf(`{"active":true,"scope":"orders:read stock:*","client_id":%q,"username":"ops","token_type":"Bearer","exp":%d,"iat":%d,"sub":%q,"aud":"shop.example","iss":"https://ledger.example","jti":%q,"tenant":"default","name":"shop"}`+"\n",
		tok.ID, tok.ExpiresAt.Unix(), tok.CreatedAt.Unix(), tok.ID, tok.ID)
	if status != 200 || string(body) != want {
		t.Errorf("%d %s, want %s", status, body, want)
	}
	if _, _, body = n.post("/oauth2/introspect", own, form("token", plannedSecret)); decoded[api.Introspection](t, body).ExpiresAt != end.Unix() {
		t.Errorf("the end that is planned for %d: %s", end.Unix(), body)
	}
	if _, _, body = n.post("/oauth2/introspect", own, form("token", bareSecret)); strings.Contains(string(body), `"exp"`) || !strings.Contains(string(body), bare.ID) {
		t.Errorf("a token without an end: %s", body)
	}

	for what, tc := range map[string]struct {
		form   string
		active bool
	}{
		"revoked":                       {form("token", goneSecret), false},
		"unknown":                       {form("token", fresh()), false},
		"what is no token":              {form("token", "hello"), false},
		"a wrong secret":                {form("token", otherSecret(secret)), false},
		"bound, and no address":         {form("token", bound), false},
		"bound, from there":             {form("token", bound, "client_ip", "192.0.2.9"), true},
		"bound, from elsewhere":         {form("token", bound, "client_ip", "203.0.113.9"), false},
		"scopes held":                   {form("token", secret, "scope", "orders:read stock:write"), true},
		"a scope not held":              {form("token", secret, "scope", "orders:write"), false},
		"the site":                      {form("token", secret, "site", "shop.example"), true},
		"another site":                  {form("token", secret, "site", "other.example"), false},
		"a hint and what is unheard of": {form("token", secret, "token_type_hint", "refresh_token", "x", "y", "scope", ""), true},
	} {
		status, _, body := n.post("/oauth2/introspect", own, tc.form)
		if status != 200 || strings.HasPrefix(string(body), `{"active":true,`) != tc.active || !tc.active && string(body) != inactive {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	if status, _, body := n.post("/oauth2/introspect", "Bearer "+other, form("token", secret)); status != 200 || string(body) != inactive {
		t.Errorf("another tenant's token: %d %s", status, body)
	}
	if status, _, body := n.post("/oauth2/introspect", "Bearer "+n.token, form("token", secret)); status != 200 || string(body) == inactive {
		t.Errorf("by root: %d %s", status, body)
	}
	n.history(gone.ID, `"reason":"revoked"`, `"id":"`+caller.ID+`"`)
	n.history(tok.ID, "token.used.v1", `"reason":"bad_secret"`)
}

// TestOAuthRefusals holds the errors of both endpoints against RFC 6749, 5.2.
func TestOAuthRefusals(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	caller, callerSecret := generate(t, c, api.GenerateRequest{Name: "caller", TTL: "1d", Scopes: []string{"ledger:tokens:validate", "ledger:tokens:revoke"}})
	nobody, nobodySecret := generate(t, c, api.GenerateRequest{Name: "nobody", TTL: "1d"})
	key := "an old key: with a colon & more"
	n.must(200, "POST", "/v1/tokens/import", n.token, `{"sha256":"`+sha256Of(key)+`","name":"imported","scopes":["ledger:tokens:validate","ledger:tokens:revoke"]}`)
	list, err := c.List(t.Context(), api.ListRequest{Name: "imported"})
	if err != nil || len(list.Tokens) != 1 {
		t.Fatal(list, err)
	}
	imported := list.Tokens[0].ID
	own := basic(caller.ID, callerSecret)
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
		for _, tc := range []struct {
			what, authorization, form string
			headers                   []string
			status                    int
			word, code                string
		}{
			{"by an imported key", basic(imported, key), "token=x", nil, 200, "", ""},
			{"by Bearer", "Bearer " + callerSecret, "token=x", nil, 200, "", ""},
			{"a charset", own, "token=x", []string{"Content-Type", formType + "; charset=UTF-8"}, 200, "", ""},
			{"nobody", "", "token=x", nil, 401, "invalid_client", "no_token"},
			{"another's id", basic(nobody.ID, callerSecret), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"an id that is none", basic("client", callerSecret), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"no id", basic("", callerSecret), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"no password", basic(caller.ID, ""), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"a wrong password", basic(caller.ID, otherSecret(callerSecret)), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"an imported key under another id", basic(caller.ID, key), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"what is not base64", "Basic !", "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"without a colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("x")), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"escaped wrong", "Basic " + base64.StdEncoding.EncodeToString([]byte(caller.ID+":%zz")), "token=x", nil, 401, "invalid_client", "invalid_token"},
			{"a bad Bearer", "Bearer x", "token=x", nil, 401, "invalid_token", "invalid_token"},
			{"another scheme", "Digest x", "token=x", nil, 401, "invalid_client", "no_token"},
			{"no permission", "Bearer " + nobodySecret, "token=x", nil, 403, "insufficient_scope", "permission_missing"},
			{"no permission, by Basic", basic(nobody.ID, nobodySecret), "token=x", nil, 403, "unauthorized_client", "permission_missing"},
			{"no token", own, "", nil, 400, "invalid_request", "form_invalid"},
			{"an empty token", own, "token=", nil, 400, "invalid_request", "form_invalid"},
			{"a token twice", own, "token=x&token=y", nil, 400, "invalid_request", "form_invalid"},
			{"a parameter twice", own, "token=x&a=1&a=1", nil, 400, "invalid_request", "form_invalid"},
			{"a semicolon", own, "token=x;y", nil, 400, "invalid_request", "form_invalid"},
			{"escaped wrong in the body", own, "token=%zz", nil, 400, "invalid_request", "form_invalid"},
			{"two ways to sign in", own, "token=x&client_secret=y", nil, 400, "invalid_request", "form_invalid"},
			{"JSON", own, `{"token":"x"}`, []string{"Content-Type", "application/json"}, 400, "invalid_request", "form_invalid"},
			{"too much", own, "token=" + strings.Repeat("x", 33<<10), nil, 413, "invalid_request", "body_too_large"},
		} {
			status, header, body := n.post(path, tc.authorization, tc.form, tc.headers...)
			if status != tc.status {
				t.Errorf("%s %s: %d %s, want %d", path, tc.what, status, body, tc.status)
				continue
			}
			if status == 200 {
				continue
			}
			e := decoded[api.OAuthError](t, body)
			if e.Error != tc.word || e.Code != tc.code || e.Description == "" || strings.ContainsAny(e.Description, "\"\\") || header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %s", path, tc.what, body)
			}
			if ways := strings.Join(header["Www-Authenticate"], "; "); status == 401 && (!strings.Contains(ways, "Basic realm=") || !strings.Contains(ways, "Bearer realm=")) {
				t.Errorf("%s %s: ways to sign in: %q", path, tc.what, ways)
			}
		}
		if status, _, body := n.post(path+"?token=x", own, "token=x"); status != 400 {
			t.Errorf("%s with a query: %d %s", path, status, body)
		}
		if got := n.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + own + "\r\nAuthorization: Bearer " + callerSecret + "\r\nContent-Type: " + formType + "\r\nContent-Length: 7\r\n\r\ntoken=x"); len(got) != 1 || got[0] != 400 {
			t.Errorf("%s with Basic and Bearer: %v", path, got)
		}
	}
	status, _, body := n.post("/oauth2/introspect", own, "token=x&scope=a%22b")
	if e := decoded[api.OAuthError](t, body); status != 400 || e.Error != "invalid_scope" {
		t.Errorf("a scope that is none: %d %s", status, body)
	}
	if status, _, body := n.post("/oauth2/introspect", own, "token=x&client_ip=here"); status != 400 {
		t.Errorf("an address that is none: %d %s", status, body)
	}
	n.history(caller.ID, `"reason":"malformed"`, `"reason":"bad_secret"`)
}

// TestRevocation holds revocation against RFC 7009.
func TestRevocation(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	caller, callerSecret := generate(t, c, api.GenerateRequest{Name: "caller", TTL: "1d", Scopes: []string{"ledger:tokens:revoke"}})
	_, stranger := generate(t, c, api.GenerateRequest{Name: "stranger", Tenant: "acme", TTL: "1d", Scopes: []string{"ledger:tokens:revoke"}})
	tok, secret := generate(t, c, api.GenerateRequest{Name: "shop", TTL: "1d"})
	own := basic(caller.ID, callerSecret)
	before := n.events()
	for _, bad := range []string{"hello", fresh(), otherSecret(secret), secret[:len(secret)-1]} {
		if status, _, body := n.post("/oauth2/revoke", own, "token="+bad); status != 200 || len(body) > 0 {
			t.Errorf("a token that is none: %d %s", status, body)
		}
	}
	if status, header, body := n.post("/oauth2/revoke", "Bearer "+stranger, "token="+secret); status != 200 || len(body) > 0 || header.Get("Ledger-Seq") == "" {
		t.Errorf("another tenant's token: %d %s", status, body)
	}
	if after := n.events(); after != before {
		t.Errorf("%d events came of tokens that are none of the caller's", after-before)
	}
	for range 2 { // again is no error
		if status, header, body := n.post("/oauth2/revoke", own, "token_type_hint=access_token&token="+secret); status != 200 || len(body) > 0 || header.Get("Ledger-Seq") == "" {
			t.Errorf("%d %s", status, body)
		}
		got := decoded[api.Token](t, n.must(200, "GET", "/v1/tokens/"+tok.ID, n.token, ""))
		if got.Status != "revoked" || got.RevokedBy != caller.ID || got.ReasonCode != "requested" {
			t.Errorf("%+v", got)
		}
	}

	// Every token may end itself, and only itself.
	self, selfSecret := generate(t, c, api.GenerateRequest{Name: "self", TTL: "1d"})
	left, leftSecret := generate(t, c, api.GenerateRequest{Name: "left", TTL: "1d"})
	if status, _, _ := n.post("/oauth2/revoke", "Bearer "+selfSecret, "token="+leftSecret); status != 403 {
		t.Errorf("a token ends another: %d", status)
	}
	if status, _, _ := n.post("/oauth2/revoke", "Bearer "+selfSecret, "token="+fresh()); status != 403 {
		t.Errorf("a token tries another: %d", status)
	}
	if status, _, body := n.post("/oauth2/revoke", basic(self.ID, selfSecret), "token="+selfSecret); status != 200 {
		t.Errorf("a token ends itself: %d %s", status, body)
	}
	if status, _, _ := n.post("/oauth2/revoke", "Bearer "+selfSecret, "token="+selfSecret); status != 401 {
		t.Errorf("again: %d", status)
	}
	for id, want := range map[string]string{self.ID: "revoked", left.ID: "active"} {
		if got := decoded[api.Token](t, n.must(200, "GET", "/v1/tokens/"+id, n.token, "")); got.Status != want {
			t.Errorf("%s is %s", got.Name, got.Status)
		}
	}

	status, _, body := n.post("/oauth2/revoke", "Bearer "+n.token, "token="+n.token)
	if e := decoded[api.OAuthError](t, body); status != 409 || e.Code != "last_root" || !strings.Contains(e.Description, "nothing was changed") {
		t.Errorf("the last root token: %d %s", status, body)
	}
	if status, _, body := n.post("/oauth2/revoke", own, "token="+n.token); status != 403 {
		t.Errorf("a token above the caller: %d %s", status, body)
	}
	n.history(tok.ID, `"reason":"bad_secret"`)
}

// TestMetadata holds discovery against RFC 8414, and shows that no request says where the
// endpoints are.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for public, issuer := range map[string]string{"": "", "https://ledger.example": "https://ledger.example", "https://ledger.example:8443/": "https://ledger.example:8443", "http://localhost:80": "http://localhost:80"} {
		n := newNode(t)
		if public != "" {
			n.args = []string{"--public-url", public}
		}
		n.start()
		if issuer == "" {
			issuer = n.url
		}
		status, header, body := n.ask("GET", "/.well-known/oauth-authorization-server", "", "", "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example")
		want := `{"issuer":"` + issuer + `","introspection_endpoint":"` + issuer + `/oauth2/introspect","introspection_endpoint_auth_methods_supported":["client_secret_basic","Bearer"],` +
			`"revocation_endpoint":"` + issuer + `/oauth2/revoke","revocation_endpoint_auth_methods_supported":["client_secret_basic"],"response_types_supported":[],"grant_types_supported":[]}` + "\n"
		if status != 200 || string(body) != want || !strings.Contains(header.Get("Cache-Control"), "max-age") || header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d %v %s, want %s", public, status, header, body, want)
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", n.url+"/.well-known/oauth-authorization-server", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.ContentLength != int64(len(want)) {
			t.Errorf("the Host header changes the answer")
		}
	}
}
