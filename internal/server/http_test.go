package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// ask sends a request as it is and gives the status, the headers and the body.
func (n *node) ask(method, path, token, body string, headers ...string) (int, http.Header, []byte) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	as := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := as.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	checkDocumented(n.t, method, path, res.StatusCode)
	return res.StatusCode, res.Header, answer
}

// generate gives a token that n's client makes.
func generate(t *testing.T, c *client.Client, req api.GenerateRequest) (token api.Token, secret string) {
	t.Helper()
	g, err := c.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return g.Value.Token, g.Value.Secret.Reveal()
}

// TestBadRequests shows that each is refused with its status and code, in the
// form of RFC 9457, and that nothing was written.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--policy-max-life", "365d")
	n.start()
	c := n.client()
	mine, _ := generate(t, c, api.GenerateRequest{Name: "mine", TTL: "1d"})
	_, reader := generate(t, c, api.GenerateRequest{Name: "reader", TTL: "1d", Scopes: []string{"ledger:tokens:read", "ledger:tokens:validate"}})
	theirs, theirAdmin := generate(t, c, api.GenerateRequest{Name: "theirs", TTL: "1d", Tenant: "acme", Scopes: []string{"ledger:admin"}})
	_, _ = generate(t, c, api.GenerateRequest{Name: "revoked", TTL: "1d"})
	_, admin := generate(t, c, api.GenerateRequest{Name: "admin", TTL: "1d", Scopes: []string{"ledger:admin"}})
	rootID := n.rootID()
	before := n.events()

	long := strings.Repeat("x", 10<<20)
	for _, tc := range []struct {
		name, method, path, token, body string
		status                          int
		code                            string
	}{
		{"no token", "GET", "/v1/tokens", "", "", 401, "no_token"},
		{"a word for a token", "GET", "/v1/tokens", "hello", "", 401, "invalid_token"},
		{"a token in the query", "GET", "/v1/tokens?name=" + admin, n.token, "", 400, "token_in_url"},
		{"a token in the path", "GET", "/v1/tokens/" + admin, n.token, "", 400, "token_in_url"},
		{"an escaped token in the query", "GET", "/v1/tokens?name=" + strings.ReplaceAll(admin, "_", "%5F"), n.token, "", 400, "token_in_url"},
		{"a token in a path that is none", "GET", "/" + admin, "", "", 400, "token_in_url"},
		{"malformed JSON", "POST", "/v1/tokens", n.token, `{"name":`, 400, "body_invalid"},
		{"no JSON", "POST", "/v1/tokens", n.token, `name=x`, 400, "body_invalid"},
		{"an empty body", "POST", "/v1/tokens", n.token, ``, 400, "body_invalid"},
		{"two values", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"1d"} {}`, 400, "body_invalid"},
		{"a query without a value", "GET", "/v1/tokens?site=", n.token, "", 400, "query_invalid"},
		{"a part of a filter that is empty", "POST", "/v1/tokens/revoke", n.token, `{"filter":{"site":"","name":"m"}}`, 400, "filter_invalid"},
		{"a dry run over root", "POST", "/v1/tokens/revoke", n.token, `{"filter":{"name":"root"},"dry_run":true}`, 409, "root_matched"},
		{"a token that was copied short", "POST", "/v1/tokens", n.token, `{"ttl":"1d","name":"` + admin[:len(admin)-1] + `"}`, 400, "secret_in_label"},
		{"an unknown field", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"1d","expires":"2030-01-01T00:00:00Z"}`, 400, "body_invalid"},
		{"a field of the wrong type", "POST", "/v1/tokens", n.token, `{"name":7}`, 400, "body_invalid"},
		{"a time that is none", "POST", "/v1/tokens", n.token, `{"name":"x","expires_at":"soon"}`, 400, "body_invalid"},
		{"text that is not UTF-8", "POST", "/v1/tokens", n.token, "{\"name\":\"\xff\xfe\",\"ttl\":\"1d\"}", 400, "body_invalid"},
		{"a name of 10 MB", "POST", "/v1/tokens", n.token, `{"name":"` + long + `"}`, 413, "body_too_large"},
		{"a name of 300 characters", "POST", "/v1/tokens", n.token, `{"name":"` + long[:300] + `","ttl":"1d"}`, 400, "length"},
		{"no name", "POST", "/v1/tokens", n.token, `{"ttl":"1d"}`, 400, "field_required"},
		{"a control character", "POST", "/v1/tokens", n.token, `{"name":"a\u0000b","ttl":"1d"}`, 400, "control_character"},
		{"an escape sequence", "POST", "/v1/tokens", n.token, `{"name":"a\u001b[2Jb","ttl":"1d"}`, 400, "control_character"},
		{"an invalid scope", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"1d","scopes":["a b"]}`, 400, "scope_invalid"},
		{"a past expiry", "POST", "/v1/tokens", n.token, `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`, 400, "expiry_past"},
		{"a life beyond the policy", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"366d"}`, 400, "life_too_long"},
		{"no expiry against the policy", "POST", "/v1/tokens", n.token, `{"name":"x"}`, 400, "expiry_required"},
		{"a ttl that is none", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"a while"}`, 400, "ttl_invalid"},
		{"a ttl of nothing", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"0s"}`, 400, "ttl_invalid"},
		{"a tenant that is none", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"1d","tenant":"A.*"}`, 400, "tenant_invalid"},
		{"another tenant", "POST", "/v1/tokens", theirAdmin, `{"name":"x","ttl":"1d","tenant":"default"}`, 403, "wrong_tenant"},
		{"a permission not held", "POST", "/v1/tokens", theirAdmin, `{"name":"x","ttl":"1d","scopes":["ledger:root"]}`, 403, "grant_not_held"},
		{"no permission to write", "POST", "/v1/tokens", reader, `{"name":"x","ttl":"1d"}`, 403, "permission_missing"},
		{"no permission to revoke", "POST", "/v1/tokens/" + mine.ID + "/revoke", reader, ``, 403, "permission_missing"},
		{"revoking another tenant's token", "POST", "/v1/tokens/" + mine.ID + "/revoke", theirAdmin, ``, 404, "token_not_found"},
		{"showing another tenant's token", "GET", "/v1/tokens/" + mine.ID, theirAdmin, ``, 404, "token_not_found"},
		{"another tenant's history", "GET", "/v1/tokens/" + mine.ID + "/history", theirAdmin, ``, 404, "token_not_found"},
		{"listing another tenant", "GET", "/v1/tokens?tenant=default", theirAdmin, ``, 403, "wrong_tenant"},
		{"rotating another tenant's token", "POST", "/v1/tokens/" + mine.ID + "/rotate", theirAdmin, ``, 404, "token_not_found"},
		{"no such token", "GET", "/v1/tokens/01JDA0V6Q3Y8N5K2M7R4T1W9XZ", n.token, ``, 404, "token_not_found"},
		{"an id that is none", "GET", "/v1/tokens/nope", n.token, ``, 404, "token_not_found"},
		{"a reason that is not counted", "POST", "/v1/tokens/" + theirs.ID + "/revoke", n.token, `{"reason_code":"bored"}`, 400, "reason_code_invalid"},
		{"a grace longer than life", "POST", "/v1/tokens/" + mine.ID + "/rotate", n.token, `{"grace":"90d"}`, 400, "grace_too_long"},
		{"nothing to update", "PATCH", "/v1/tokens/" + mine.ID, n.token, `{}`, 400, "nothing_to_update"},
		{"updating what cannot be", "PATCH", "/v1/tokens/" + mine.ID, n.token, `{"scopes":["a"]}`, 400, "body_invalid"},
		{"a bulk revocation of everything", "POST", "/v1/tokens/revoke", n.token, `{"filter":{}}`, 400, "filter_empty"},
		{"a bulk revocation that would end root", "POST", "/v1/tokens/revoke", n.token, `{"filter":{"name":"root"}}`, 409, "root_matched"},
		{"a bulk revocation with a mistyped filter", "POST", "/v1/tokens/revoke", n.token, `{"filter":{"sites":"x"}}`, 400, "body_invalid"},
		{"a status that is none", "GET", "/v1/tokens?status=dead", n.token, ``, 400, "filter_invalid"},
		{"a mistyped filter", "GET", "/v1/tokens?sitee=x", n.token, ``, 400, "parameter_unknown"},
		{"a limit of none", "GET", "/v1/tokens?limit=0", n.token, ``, 400, "limit_invalid"},
		{"a cursor that is none", "GET", "/v1/tokens?cursor=zzz", n.token, ``, 400, "cursor_invalid"},
		{"a query that does not parse", "GET", "/v1/tokens?site=%zz", n.token, ``, 400, "query_invalid"},
		{"a query with semicolons", "GET", "/v1/tokens?site=a;b", n.token, ``, 400, "query_invalid"},
		{"a filter twice", "GET", "/v1/tokens?site=a&site=b", n.token, ``, 400, "query_invalid"},
		{"a query where there is none", "GET", "/v1/tokens/" + mine.ID + "?site=a", n.token, ``, 400, "parameter_unknown"},
		{"a zero expiry", "POST", "/v1/tokens", n.token, `{"name":"x","expires_at":"0001-01-01T00:00:00Z"}`, 400, "time_invalid"},
		{"a zero time in a filter", "POST", "/v1/tokens/revoke", n.token, `{"filter":{"name":"mine","unused_since":"0001-01-01T00:00:00Z"}}`, 400, "time_invalid"},
		{"a ttl below a second", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"1ns"}`, 400, "ttl_invalid"},
		{"a name that cannot be seen", "POST", "/v1/tokens", n.token, `{"name":"\u3164","ttl":"1d"}`, 400, "field_required"},
		{"a space of no width", "POST", "/v1/tokens", n.token, `{"name":"\u200b","ttl":"1d"}`, 400, "control_character"},
		{"an address with a zone", "POST", "/v1/tokens/validate", n.token, `{"token":"x","client_ip":"fe80::1%eth0"}`, 400, "client_ip_invalid"},
		{"suspending what is above the caller", "POST", "/v1/tokens/" + rootID + "/suspend", admin, ``, 403, "token_above_caller"},
		{"renaming what is above the caller", "PATCH", "/v1/tokens/" + rootID, admin, `{"name":"mine now"}`, 403, "token_above_caller"},
		{"validating with a bad address", "POST", "/v1/tokens/validate", n.token, `{"token":"x","client_ip":"here"}`, 400, "client_ip_invalid"},
		{"validating for a bad scope", "POST", "/v1/tokens/validate", n.token, `{"token":"x","scopes":["a b"]}`, 400, "scope_invalid"},
		{"validating beyond the stream", "POST", "/v1/tokens/validate", n.token, `{"token":"x","min_seq":18446744073709551615}`, 503, "behind"},
		{"an idempotency key too long", "POST", "/v1/tokens", n.token, `{"name":"x","ttl":"1d"}`, 400, "idempotency_key_invalid"},
		{"the wrong method", "DELETE", "/v1/tokens", n.token, ``, 405, "method_not_allowed"},
		{"no such path", "GET", "/v2/tokens", n.token, ``, 404, "no_such_path"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var headers []string
			if strings.HasPrefix(tc.name, "an idempotency key") {
				headers = []string{"Idempotency-Key", strings.Repeat("k", 256)}
			}
			status, header, body := n.ask(tc.method, tc.path, tc.token, tc.body, headers...)
			var p api.Problem
			if err := json.Unmarshal(body, &p); err != nil {
				t.Fatalf("%d %s: %v", status, body, err)
			}
			if status != tc.status || p.Code != tc.code {
				t.Errorf("answered %d %s, want %d %s: %s", status, p.Code, tc.status, tc.code, body)
			}
			if ct := header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("content type %q", ct)
			}
			if p.Status != status || p.Title == "" || p.Type == "" || p.Detail == "" || p.Hint == "" || p.RequestID == "" {
				t.Errorf("a part of the problem is missing: %s", body)
			}
			if got := header.Get("WWW-Authenticate"); (status == 401 || status == 403) != (got != "") {
				t.Errorf("WWW-Authenticate %q with %d", got, status)
			}
		})
	}
	if after := n.events(); after != before {
		t.Errorf("%d events that change tokens before, %d after", before, after)
	}
}

// rootID is the id of the first root token.
func (n *node) rootID() string {
	n.t.Helper()
	page, err := n.client().List(n.t.Context(), api.ListRequest{Scope: "ledger:root"})
	if err != nil || len(page.Tokens) == 0 {
		n.t.Fatalf("root tokens: %v, %v", page.Tokens, err)
	}
	return page.Tokens[0].ID
}

// events counts the events of all tokens that are no uses.
func (n *node) events() (count int) {
	n.t.Helper()
	c := n.client()
	for _, tenant := range []string{"default", "acme"} {
		for tok, err := range c.ListAll(n.t.Context(), api.ListRequest{Tenant: tenant}) {
			if err != nil {
				n.t.Fatal(err)
			}
			for e, err := range c.HistoryAll(n.t.Context(), tok.ID, client.HistoryRequest{}) {
				if err != nil {
					n.t.Fatal(err)
				}
				if !strings.HasSuffix(e.Subject, ".used") && !strings.HasSuffix(e.Subject, ".rejected") {
					count++
				}
			}
		}
	}
	return count
}

// TestReasons shows every reason of the contract over the wire.
func TestReasons(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	soon := time.Now().Add(time.Hour)
	_, good := generate(t, c, api.GenerateRequest{Name: "good", Site: "shop", Scopes: []string{"orders:*"}, AllowedCIDRs: []string{"192.0.2.0/24"}})
	revoked, revokedSecret := generate(t, c, api.GenerateRequest{Name: "revoked"})
	suspended, suspendedSecret := generate(t, c, api.GenerateRequest{Name: "suspended"})
	_, pending := generate(t, c, api.GenerateRequest{Name: "pending", NotBefore: &soon})
	_, brief := generate(t, c, api.GenerateRequest{Name: "brief", TTL: "1s"})
	_, foreign := generate(t, c, api.GenerateRequest{Name: "foreign", Tenant: "acme"})
	_, validator := generate(t, c, api.GenerateRequest{Name: "validator", Scopes: []string{"ledger:tokens:validate"}})
	if _, err := c.Revoke(t.Context(), revoked.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Suspend(t.Context(), suspended.ID, api.SuspendRequest{}); err != nil {
		t.Fatal(err)
	}
	service := n.as(validator)
	eventually(t, "the brief token has expired", func(ctx context.Context) bool {
		a, err := service.Validate(ctx, api.ValidateRequest{Token: brief})
		return err == nil && !a.Active
	})
	for _, tc := range []struct {
		name   string
		req    api.ValidateRequest
		reason string
	}{
		{"good", api.ValidateRequest{Token: good, Site: "shop", Scopes: []string{"orders:read"}, ClientIP: "192.0.2.7"}, ""},
		{"malformed", api.ValidateRequest{Token: "hello"}, "malformed"},
		{"a copy error", api.ValidateRequest{Token: good[:len(good)-3]}, "malformed"},
		{"unknown", api.ValidateRequest{Token: fresh()}, "unknown"},
		{"another tenant's", api.ValidateRequest{Token: foreign}, "unknown"},
		{"bad secret", api.ValidateRequest{Token: otherSecret(good)}, "bad_secret"},
		{"revoked", api.ValidateRequest{Token: revokedSecret}, "revoked"},
		{"expired", api.ValidateRequest{Token: brief}, "expired"},
		{"not yet valid", api.ValidateRequest{Token: pending}, "not_yet_valid"},
		{"suspended", api.ValidateRequest{Token: suspendedSecret}, "suspended"},
		{"insufficient scope", api.ValidateRequest{Token: good, Scopes: []string{"users:read"}}, "insufficient_scope"},
		{"site mismatch", api.ValidateRequest{Token: good, Site: "else", ClientIP: "192.0.2.7"}, "site_mismatch"},
		{"ip denied", api.ValidateRequest{Token: good, ClientIP: "198.51.100.1"}, "ip_denied"},
		{"no ip", api.ValidateRequest{Token: good}, "ip_denied"},
	} {
		a, err := service.Validate(t.Context(), tc.req)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if a.Reason != tc.reason || a.Active != (tc.reason == "") || (a.Token != nil) != a.Active || a.AsOfSeq == 0 {
			t.Errorf("%s: %+v, want reason %q", tc.name, a, tc.reason)
		}
	}
	if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: foreign}); err != nil || !a.Active || a.Token.Tenant != "acme" {
		t.Errorf("root validates another tenant's: %+v, %v", a, err)
	}
	if _, err := c.Resume(t.Context(), suspended.ID, api.SuspendRequest{}); err != nil {
		t.Fatal(err)
	}
	if a, err := service.Validate(t.Context(), api.ValidateRequest{Token: suspendedSecret}); err != nil || !a.Active {
		t.Errorf("resumed: %+v, %v", a, err)
	}
}

// TestUsesReachTheRecord shows that validations and rejections are in the history
// and the counters, in both durabilities.
func TestUsesReachTheRecord(t *testing.T) {
	t.Parallel()
	for _, durability := range []string{"journal", "strict"} {
		t.Run(durability, func(t *testing.T) {
			n := newNode(t, "--usage-durability", durability, "--usage-window", "20ms")
			n.start()
			c := n.client()
			tok, secret := generate(t, c, api.GenerateRequest{Name: "used"})
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					for range 25 {
						if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: secret, ClientIP: "192.0.2.7", Resource: "GET /orders"}); err != nil || !a.Active {
							t.Errorf("%+v, %v", a, err)
						}
					}
				})
			}
			callers.Wait()
			if _, err := c.Validate(t.Context(), api.ValidateRequest{Token: otherSecret(secret), ClientIP: "203.0.113.5"}); err != nil {
				t.Fatal(err)
			}
			n.stop()
			n.start()
			c = n.client()
			got, err := c.Token(t.Context(), tok.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got.UseCount != 200 || got.LastUsedIP != "192.0.2.7" || got.LastUsedAt == nil {
				t.Errorf("%d uses, last from %q at %v", got.UseCount, got.LastUsedIP, got.LastUsedAt)
			}
			kinds := map[string]int{}
			for e, err := range c.HistoryAll(t.Context(), tok.ID, client.HistoryRequest{}) {
				if err != nil {
					t.Fatal(err)
				}
				kinds[e.Subject[strings.LastIndexByte(e.Subject, '.')+1:]]++
			}
			if kinds["generated"] != 1 || kinds["used"] == 0 || kinds["rejected"] != 1 {
				t.Errorf("the history has %v", kinds)
			}
		})
	}
}

// TestIdempotency shows that a repeat gives the first answer, whatever came
// between.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	body := `{"name":"once","site":"shop"}`
	post := func(path, body, key string) (int, http.Header, []byte) {
		return n.ask("POST", path, n.token, body, "Idempotency-Key", key)
	}
	var answers [][]byte
	var mu sync.Mutex
	var callers sync.WaitGroup
	secrets := 0
	for range 8 {
		callers.Go(func() {
			status, header, answer := post("/v1/tokens", body, "k1")
			mu.Lock()
			defer mu.Unlock()
			if status != 201 || header.Get("Ledger-Seq") == "" {
				t.Errorf("%d %s", status, answer)
			}
			var g api.Generated
			if err := json.Unmarshal(answer, &g); err != nil {
				t.Error(err)
			}
			if replayed := header.Get("Idempotency-Replayed") == "true"; replayed == (g.Secret != "") || replayed != (g.Note != "") {
				t.Errorf("replayed %v: %s", replayed, answer)
			}
			if g.Secret != "" {
				secrets++
			}
			record, err := json.Marshal(g.Token)
			if err != nil {
				t.Error(err)
			}
			answers = append(answers, record)
		})
	}
	callers.Wait()
	if secrets != 1 {
		t.Errorf("the secret was shown %d times", secrets)
	}
	for _, a := range answers {
		if !bytes.Equal(a, answers[0]) {
			t.Errorf("two answers differ:\n%s\n%s", a, answers[0])
		}
	}
	var first api.Token
	if err := json.Unmarshal(answers[0], &first); err != nil {
		t.Fatal(err)
	}
	if status, _, answer := post("/v1/tokens", `{"name":"another"}`, "k1"); status != 409 || !bytes.Contains(answer, []byte("idempotency_key_reused")) {
		t.Errorf("a key used again for something else: %d %s", status, answer)
	}
	revoke := "/v1/tokens/" + first.ID + "/revoke"
	_, _, ended := post(revoke, `{"reason":"one"}`, "k2")
	n.kill()
	n.start()
	for _, tc := range []struct {
		path, body, key string
		want            []byte
	}{{"/v1/tokens", body, "k1", answers[0]}, {revoke, `{"reason":"one"}`, "k2", bytes.TrimSpace(ended)}} {
		_, header, answer := post(tc.path, tc.body, tc.key)
		if header.Get("Idempotency-Replayed") != "true" || !bytes.Contains(answer, tc.want) {
			t.Errorf("after a restart %s gives %s, want %s", tc.path, answer, tc.want)
		}
	}
	lines := `{"sha256":"` + strings.Repeat("ab", 32) + `","name":"old"}` + "\nnot a line\n"
	_, _, imported := post("/v1/tokens/import", lines, "k4")
	if _, header, again := post("/v1/tokens/import", lines, "k4"); header.Get("Idempotency-Replayed") != "true" || !bytes.Equal(again, imported) || !bytes.Contains(again, []byte(`"imported"`)) {
		t.Errorf("an import repeated gives %v %s, first %s", header, again, imported)
	}
	if status, _, answer := post("/v1/tokens/import", `{"sha256":"`+strings.Repeat("cd", 32)+`","name":"new"}`, "k4"); status != 409 || !bytes.Contains(answer, []byte("idempotency_key_reused")) {
		t.Errorf("a key used again for another import: %d %s", status, answer)
	}
	if _, header, again := post("/v1/tokens/import", lines, "k5"); header.Get("Idempotency-Replayed") != "" || !bytes.Contains(again, []byte(`"exists"`)) {
		t.Errorf("an import under another key gives %v %s", header, again)
	}
	if status, header, answer := post(revoke, ``, "k3"); status != 200 || header.Get("Idempotency-Replayed") != "" {
		t.Errorf("revoked again: %d %s", status, answer)
	}
}

// TestRevokeHoldsAtOnce shows, under concurrent validation, that no validation
// that begins after the revocation was answered finds the token good.
func TestRevokeHoldsAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	for range 20 {
		tok, secret := generate(t, c, api.GenerateRequest{Name: "short-lived"})
		var callers sync.WaitGroup
		ended := make(chan struct{})
		for range 4 {
			callers.Go(func() {
				for after := false; ; {
					select {
					case <-ended:
						after = true
					default:
					}
					a, err := c.Validate(t.Context(), api.ValidateRequest{Token: secret})
					if err != nil || after && a.Active {
						t.Errorf("after the revocation was answered: %+v, %v", a, err)
					}
					if after {
						return
					}
				}
			})
		}
		if _, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
			t.Error(err)
		}
		close(ended)
		callers.Wait()
	}
}

// TestARevokedCallerIsRefusedInTheMiddleOfARequest shows that a request which was
// begun with a good token, and comes whole only after that token's revocation was
// answered, is refused.
func TestARevokedCallerIsRefusedInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	for _, tc := range []struct{ path, body string }{
		{"/v1/tokens", `{"name":"successor","scopes":["ledger:admin"]}`},
		{"/v1/tokens/revoke", `{"filter":{"site":"shop.example"}}`},
		{"/v1/tokens/import", `{"sha256":"` + strings.Repeat("ab", 32) + `","name":"successor"}`},
		{"/v1/tokens/validate", `{"token":"tl_x"}`},
	} {
		tok, secret := generate(t, c, api.GenerateRequest{Name: "thief", Site: "shop.example", Scopes: []string{"ledger:admin"}})
		before := n.events()
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", tc.path, secret, len(tc.body))
		// It is asked for when the caller is signed in and the body is about to be read.
		if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
			t.Fatalf("POST %s: %q, %v", tc.path, line, err)
		}
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, tc.body)
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized || !bytes.Contains(body, []byte("invalid_token")) {
			t.Errorf("POST %s was answered with %s %s", tc.path, res.Status, body)
		}
		if after := n.events(); after != before+1 {
			t.Errorf("POST %s: %d events were stored, and the revocation is one", tc.path, after-before)
		}
		eventually(t, "the rejection is on record", func(ctx context.Context) bool {
			h, err := c.History(ctx, tok.ID, client.HistoryRequest{})
			if err != nil || len(h.Events) == 0 {
				return false
			}
			return strings.HasSuffix(h.Events[len(h.Events)-1].Subject, ".rejected")
		})
	}
}

// TestRotationRace shows that of many rotations of one token at once exactly one
// is done.
func TestRotationRace(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	tok, _ := generate(t, c, api.GenerateRequest{Name: "rotated"})
	var mu sync.Mutex
	done := 0
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if _, err := c.Rotate(t.Context(), tok.ID, api.RotateRequest{Grace: "1h"}); err == nil {
				mu.Lock()
				defer mu.Unlock()
				done++
			}
		})
	}
	callers.Wait()
	if done != 1 {
		t.Errorf("%d rotations were done", done)
	}
}

// TestTheLastRootStays shows that nobody can lock everybody out.
func TestTheLastRootStays(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	page, err := c.List(t.Context(), api.ListRequest{Scope: "ledger:root"})
	if err != nil || len(page.Tokens) != 1 {
		t.Fatalf("%d root tokens, %v", len(page.Tokens), err)
	}
	first := page.Tokens[0].ID
	if status, _, answer := n.ask("POST", "/v1/tokens/"+first+"/revoke", n.token, ""); status != 409 || !bytes.Contains(answer, []byte("last_root")) {
		t.Errorf("%d %s", status, answer)
	}
	second, err := c.Rotate(t.Context(), first, api.RotateRequest{Grace: "0s"})
	if err != nil {
		t.Fatal(err)
	}
	next := n.as(second.Value.Secret.Reveal())
	if _, err := next.Suspend(t.Context(), second.Value.Token.ID, api.SuspendRequest{}); err == nil {
		t.Error("the last root token was suspended")
	}
	if status, _, _ := n.ask("GET", "/v1/tokens", n.token, ""); status != 401 {
		t.Errorf("the rotated root token still gets %d", status)
	}
}
