package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestAPersonSignsInWithABrowser follows one person from the sign-in to the end of the
// session.
func TestAPersonSignsInWithABrowser(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	b := n.browser()
	page := b.SignIn(n.url+"/v1/session/login", "anil")
	if page.Status != 200 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v %s", page.Status, page.Header, page.Body)
	}
	for _, shown := range []string{"anil@acme.example", n.issuer.URL, "default", "admin", "Sign out"} {
		if !strings.Contains(page.Body, shown) {
			t.Errorf("the page does not show %q: %s", shown, page.Body)
		}
	}
	token := n.cookieOf(b, "tokenledger_session")
	if strings.Contains(page.Body, "<script") || strings.Contains(page.Body, token) || strings.Contains(page.URL.String(), token) {
		t.Errorf("the page has a script or the token: %s", page.Body)
	}
	// The one style that the policy lets be is the page's.
	style := regexp.MustCompile(`<style>(.*)</style>`).FindStringSubmatch(page.Body)
	sum := sha256.Sum256([]byte(style[1]))
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the policy is %q", csp)
	}
	for _, set := range page.Header.Values("Set-Cookie") {
		if !strings.Contains(set, "; HttpOnly") || !strings.Contains(set, "; Path=/") || strings.Contains(set, "Domain") ||
			strings.HasPrefix(set, "tokenledger_session=") && !strings.Contains(set, "; SameSite=Strict") {
			t.Errorf("Set-Cookie: %s", set)
		}
	}
	if n.cookieOf(b, "tokenledger_signin") != "" {
		t.Error("the cookie of the attempt is still there")
	}

	who := decoded[api.Session](t, []byte(b.Get(n.url+"/v1/session").Body))
	id := n.issuer.URL + "#anil"
	if who.Actor != (api.Actor{Type: "person", ID: id, Name: "anil@acme.example"}) || who.Tenant != "default" || fmt.Sprint(who.Roles) != "[admin]" || who.ExpiresAt == nil {
		t.Errorf("%+v", who)
	}
	// The record says whose session it is, to whoever may read it.
	record := decoded[api.Token](t, n.must(200, "GET", "/v1/tokens/"+who.TokenID, n.token, ""))
	if record.Person == nil || *record.Person != (api.Person{Issuer: n.issuer.URL, Subject: "anil", Name: "anil@acme.example"}) || record.Owner != id || record.CreatedBy != "" {
		t.Errorf("%+v", record)
	}
	if list := decoded[api.TokenList](t, n.must(200, "GET", "/v1/tokens?owner="+url.QueryEscape(id), n.token, "")); len(list.Tokens) != 1 || list.Tokens[0].ID != who.TokenID {
		t.Errorf("the person's sessions: %+v", list)
	}
	born := n.eventsOf(who.TokenID, "generated")
	if len(born) != 1 || born[0].Data.Person == nil || born[0].Data.Person.Subject != "anil" || born[0].Data.Actor.Type != "person" || born[0].Data.Actor.ID != id {
		t.Errorf("%+v", born)
	}

	// What the ledger's own pages send is taken, and what others send is not.
	for _, tc := range []struct {
		headers []string
		status  int
	}{
		{nil, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Sec-Fetch-Site", "none"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", n.url}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", n.url + ".evil.example"}, 403},
		{[]string{"Origin", n.url}, 201},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 201},
	} {
		status, _, body := n.ask("POST", "/v1/tokens", "", `{"name":"by a page"}`, append(tc.headers, "Cookie", "tokenledger_session="+token)...)
		if status != tc.status || status == 403 && decoded[api.Problem](t, body).Code != "cross_origin" {
			t.Errorf("%v: %d %s", tc.headers, status, body)
		}
	}
	// A program has the same session, and no browser to be led astray.
	n.must(201, "POST", "/v1/tokens", token, `{"name":"by a program"}`)

	page = b.Post(n.url+"/v1/session/logout", nil, "Sec-Fetch-Site", "same-origin")
	if page.Status != 200 || n.cookieOf(b, "tokenledger_session") != "" {
		t.Errorf("signed out: %d %s", page.Status, page.Body)
	}
	n.must(401, "GET", "/v1/session", token, "")
	if ended := n.eventsOf(who.TokenID, "revoked"); len(ended) != 1 || ended[0].Data.ReasonCode != "requested" || ended[0].Data.Actor.ID != id {
		t.Errorf("%+v", ended)
	}
}

// TestEveryActOfAPersonIsThePersons has a person do all that changes anything, in two
// sessions, and finds it by the subject, the id, the name and the session.
func TestEveryActOfAPersonIsThePersons(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	first, second := n.session("anil"), n.session("anil")
	who := decoded[api.Session](t, n.must(200, "GET", "/v1/session", first, ""))
	made := decoded[api.Generated](t, n.must(201, "POST", "/v1/tokens", first, `{"name":"made","site":"shop","role":"validator"}`))
	if made.Token.CreatedBy != who.TokenID {
		t.Errorf("created by %s, not in the session %s", made.Token.CreatedBy, who.TokenID)
	}
	path := "/v1/tokens/" + made.Token.ID
	n.must(200, "PATCH", path, first, `{"owner":"me"}`)
	n.must(200, "POST", path+"/suspend", second, "")
	n.must(200, "POST", path+"/resume", second, "")
	rotated := decoded[api.Generated](t, n.must(201, "POST", path+"/rotate", second, `{"grace":"1h"}`))
	n.must(200, "POST", path+"/revoke", second, "")
	n.must(200, "POST", "/v1/tokens/revoke", second, `{"filter":{"site":"shop"}}`)
	n.must(200, "POST", "/v1/tokens/import", second, importOf(1))
	n.must(200, "GET", "/v1/audit/events?kind=generated", second, "")
	n.must(200, "POST", "/v1/tokens/validate", second, `{"token":"`+rotated.Secret+`"}`)

	kinds := func(query string) map[string]int {
		found := map[string]int{}
		page := decoded[api.AuditEvents](t, n.must(200, "GET", "/v1/audit/events?limit=1000&actor="+url.QueryEscape(query), n.token, ""))
		for _, e := range page.Events {
			f := decoded[recordedFacts](t, e.Event)
			if f.Data.Actor.Type != "person" || f.Data.Actor.ID != n.issuer.URL+"#anil" || f.Data.Actor.Name != "anil@acme.example" {
				t.Errorf("actor=%s: %+v", query, f)
			}
			found[e.Subject[strings.LastIndexByte(e.Subject, '.')+1:]]++
		}
		return found
	}
	for _, by := range []string{"anil", n.issuer.URL + "#anil", "anil@acme.example"} {
		eventually(t, "the uses are in the log", func(context.Context) bool { return kinds(by)["rejected"] > 0 })
		got := kinds(by)
		for kind, least := range map[string]int{"generated": 5, "updated": 1, "suspended": 1, "resumed": 1, "revoked": 3, "read": 1, "rejected": 1} {
			if got[kind] < least {
				t.Errorf("actor=%s finds %d of %s: %v", by, got[kind], kind, got)
			}
		}
	}
	if got := kinds(who.TokenID); got["generated"] != 1 || got["updated"] != 1 || got["suspended"] != 0 {
		t.Errorf("what was done in the first session: %v", got)
	}
	if got := kinds("bea"); len(got) > 0 {
		t.Errorf("another's: %v", got)
	}
	// The story of a token tells who made it, and the past of a session whose it was.
	story := n.must(200, "POST", "/v1/audit/trace", n.token, `{"token":"`+made.Token.ID+`"}`)
	if !strings.Contains(string(story), n.issuer.URL+"#anil") {
		t.Errorf("%s", story)
	}
	past := decoded[api.AsOf](t, n.must(200, "GET", fmt.Sprintf("/v1/audit/as-of?seq=%d&owner=%s", made.Token.Seq, url.QueryEscape(n.issuer.URL+"#anil")), n.token, ""))
	if len(past.Tokens) != 2 {
		t.Errorf("%+v", past)
	}
}

// TestASessionEndsEverywhere has an admin end a person's sessions.
func TestASessionEndsEverywhere(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	hears, admin := n.session("gus"), n.session("anil")
	gone := make(chan struct{})
	nc, err := nats.Connect(n.nats, nats.Token(hears), nats.MaxReconnects(0), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(gone) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// Another session of the same person goes on.
	other := n.session("gus")
	id := decoded[api.Session](t, n.must(200, "GET", "/v1/session", hears, "")).TokenID
	n.must(200, "POST", "/v1/tokens/"+id+"/revoke", admin, `{"reason_code":"offboarding"}`)
	n.must(401, "GET", "/v1/session", hears, "")
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Error("the subscriber stays connected")
	}
	n.must(200, "GET", "/v1/session", other, "")
	// All of one person's at once.
	out := decoded[api.BulkRevoked](t, n.must(200, "POST", "/v1/tokens/revoke", admin, `{"filter":{"owner":"`+n.issuer.URL+`#gus","status":"active"},"reason_code":"offboarding"}`))
	if out.Revoked != 1 {
		t.Errorf("%+v", out)
	}
	n.must(401, "GET", "/v1/session", other, "")
	n.must(200, "GET", "/v1/session", admin, "")
	// A browser forgets a session that has ended.
	status, header, _ := n.ask("GET", "/v1/session", "", "", "Cookie", "tokenledger_session="+other)
	if status != 401 || !strings.Contains(header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d %v", status, header)
	}
	// Sessions outlive the node; what was only begun does not.
	begun := n.returning("anil", "/v1/session/login")
	n.kill()
	n.startForPeople()
	n.must(200, "GET", "/v1/session", admin, "")
	n.must(401, "GET", "/v1/session", other, "")
	if status, _, body := n.ask("GET", begun.path, "", "", begun.headers...); status != 400 || decoded[api.Problem](t, body).Code != "sign_in_expired" {
		t.Errorf("%d %s", status, body)
	}
}

// TestPeopleStayWithinTheirRoles has people try what is above them.
func TestPeopleStayWithinTheirRoles(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	auditor, admin, theirs := n.session("bea"), n.session("anil"), n.session("dai")
	session := decoded[api.Session](t, n.must(200, "GET", "/v1/session", auditor, "")).TokenID
	mine := n.newVictim("default")
	other := n.newVictim("acme")
	for _, tc := range []struct {
		name, method, path, token, body string
		status                          int
		code                            string
	}{
		{"an auditor generates", "POST", "/v1/tokens", auditor, `{"name":"x"}`, 403, "permission_missing"},
		{"an auditor revokes", "POST", "/v1/tokens/" + mine.token.ID + "/revoke", auditor, ``, 403, "permission_missing"},
		{"an auditor imports with a role", "POST", "/v1/tokens/import", auditor, `{"sha256":"` + sha256Of("k") + `","name":"x","role":"admin"}`, 403, "permission_missing"},
		{"an admin grants root", "POST", "/v1/tokens", admin, `{"name":"x","scopes":["ledger:root"]}`, 403, "grant_not_held"},
		{"an admin works elsewhere", "POST", "/v1/tokens", admin, `{"name":"x","tenant":"acme"}`, 403, "wrong_tenant"},
		{"an admin sees elsewhere", "GET", "/v1/tokens/" + other.token.ID, admin, ``, 404, "token_not_found"},
		{"an admin of acme sees here", "GET", "/v1/tokens/" + session, theirs, ``, 404, "token_not_found"},
		{"an admin of acme ends a session here", "POST", "/v1/tokens/" + session + "/revoke", theirs, ``, 404, "token_not_found"},
		{"an unknown role", "POST", "/v1/tokens", admin, `{"name":"x","role":"root"}`, 400, "unknown_role"},
		{"a session is rotated", "POST", "/v1/tokens/" + session + "/rotate", admin, ``, 409, "session_fixed"},
		{"a session is renamed", "PATCH", "/v1/tokens/" + session, admin, `{"name":"somebody else"}`, 409, "session_fixed"},
		{"a session is given labels", "PATCH", "/v1/tokens/" + session, n.token, `{"metadata":{"a":"b"}}`, 409, "session_fixed"},
		{"a token signs out", "POST", "/v1/session/logout", n.token, ``, 409, "not_a_session"},
		{"nobody signs out", "POST", "/v1/session/logout", "", ``, 401, "no_token"},
	} {
		status, _, body := n.ask(tc.method, tc.path, tc.token, tc.body)
		if status != tc.status || decoded[api.Problem](t, body).Code != tc.code {
			t.Errorf("%s: %d %s, want %d %s", tc.name, status, body, tc.status, tc.code)
		}
	}
	if s := decoded[api.Session](t, n.must(200, "GET", "/v1/session", theirs, "")); s.Tenant != "acme" {
		t.Errorf("%+v", s)
	}
	// Only a person's session comes in a cookie.
	if status, _, body := n.ask("GET", "/v1/tokens", "", "", "Cookie", "tokenledger_session="+n.token); status != 401 {
		t.Errorf("a token in the cookie: %d %s", status, body)
	}
	if status, _, body := n.ask("GET", "/v1/tokens", "", "", "Cookie", "tokenledger_session="+auditor+"; tokenledger_session="+admin); status != 400 {
		t.Errorf("two cookies: %d %s", status, body)
	}
	// A header comes before the cookie, also one that is not good.
	if status, _, body := n.ask("GET", "/v1/tokens", fresh(), "", "Cookie", "tokenledger_session="+admin); status != 401 {
		t.Errorf("a bad header beside a good cookie: %d %s", status, body)
	}
	// A session shows who calls; so does any token.
	if s := decoded[api.Session](t, n.must(200, "GET", "/v1/session", mine.secret, "")); s.Actor.Type != "token" || s.Actor.ID != mine.token.ID || len(s.Roles) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestWhoCannotSignIn shows what people are told, and that no session comes of it.
func TestWhoCannotSignIn(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	for person, code := range map[string]string{"eve": "no_role_granted", "fay": "groups_missing"} {
		b := n.browser()
		page := b.SignIn(n.url+"/v1/session/login", person)
		if page.Status != 403 || !strings.Contains(page.Body, code) || n.cookieOf(b, "tokenledger_session") != "" {
			t.Errorf("%s: %d %s", person, page.Status, page.Body)
		}
	}
	// Several tenants: the person chooses, and the issuer knows the person already.
	b := n.browser()
	page := b.SignIn(n.url+"/v1/session/login", "cleo")
	if page.Status != 409 || !strings.Contains(page.Body, `href="login?tenant=acme"`) || !strings.Contains(page.Body, `href="login?tenant=default"`) {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	page = b.SignIn(n.url+"/v1/session/login?tenant=acme", "cleo")
	if s := decoded[api.Session](t, []byte(b.Get(n.url+"/v1/session").Body)); page.Status != 200 || s.Tenant != "acme" || s.Actor.ID != n.issuer.URL+"#cleo" {
		t.Errorf("%d %+v", page.Status, s)
	}
	if page := n.browser().SignIn(n.url+"/v1/session/login?tenant=other", "cleo"); page.Status != 403 {
		t.Errorf("a tenant of others: %d %s", page.Status, page.Body)
	}
	// Another browser's state, and a code without a beginning.
	victim, attacker := n.returning("anil", "/v1/session/login"), n.returning("dai", "/v1/session/login")
	for name, a := range map[string]asked{
		"the attacker's code in the victim's browser": {path: attacker.path, headers: victim.headers},
		"no cookie":       {path: victim.path},
		"the state twice": {path: victim.path + "&state=x", headers: victim.headers},
	} {
		status, header, body := n.ask("GET", a.path, "", "", a.headers...)
		if status != 400 || strings.Contains(fmt.Sprint(header["Set-Cookie"]), "tokenledger_session=tl_") {
			t.Errorf("%s: %d %v %s", name, status, header, body)
		}
	}
	if status, _, body := n.ask("GET", victim.path, "", "", victim.headers...); status != 200 {
		t.Errorf("the victim: %d %s", status, body)
	}
	if status, _, body := n.ask("GET", victim.path, "", "", victim.headers...); status != 403 {
		t.Errorf("the victim's code again: %d %s", status, body)
	}
	// The issuer is down: tokens go on working.
	m := newNodeForPeople(t)
	m.issuer.Down(true)
	m.startForPeople()
	if status, _, body := m.ask("GET", "/v1/session/login", "", ""); status != 503 || decoded[api.Problem](t, body).Code != "issuer_unavailable" {
		t.Errorf("%d %s", status, body)
	}
	m.must(201, "POST", "/v1/tokens", m.token, `{"name":"x"}`)
	m.issuer.Down(false)
	eventually(t, "people sign in once the issuer is up", func(context.Context) bool {
		status, _, _ := m.ask("GET", "/v1/session/login", "", "")
		return status == http.StatusSeeOther
	})
	m.session("anil")
	// No secret of the sign-in is in the log.
	for _, s := range []string{"the client's secret", n.issuer.URL + "/auth/callback?id="} {
		if strings.Contains(n.log.String()+m.log.String(), s) {
			t.Errorf("the log has %q", s)
		}
	}
}

// TestAProgramSignsIn follows the way of the command line, and those who try to get
// between.
func TestAProgramSignsIn(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	p := newProgram()
	code := n.codeFor(p, "anil")
	out := decoded[api.SessionOpened](t, n.must(200, "POST", "/v1/session/token", "", redeem(code, p.verifier)))
	if fmt.Sprint(out.Roles) != "[admin]" || out.Token.Person == nil || out.Token.Person.Subject != "anil" {
		t.Errorf("%+v", out)
	}
	n.must(200, "GET", "/v1/session", out.Secret, "")
	refused := func(body string) {
		t.Helper()
		if status, _, answer := n.ask("POST", "/v1/session/token", "", body); status != 400 || decoded[api.Problem](t, answer).Code != "code_invalid" {
			t.Errorf("%d %s", status, answer)
		}
	}
	refused(redeem(code, p.verifier))
	refused(redeem("x", p.verifier))
	code = n.codeFor(p, "anil")
	refused(redeem(code, newProgram().verifier))
	refused(redeem(code, p.verifier)) // it is spent
	if code := n.codeFor(p, "cleo", "tenant", "acme"); code != "" {
		if out := decoded[api.SessionOpened](t, n.must(200, "POST", "/v1/session/token", "", redeem(code, p.verifier))); out.Token.Tenant != "acme" {
			t.Errorf("%+v", out)
		}
	}
	// Who has to choose a tenant chooses for the program.
	if page := n.browser().SignIn(n.url+p.login(), "cleo"); page.Status != 409 || !strings.Contains(page.Body, "tenant=acme") || !strings.Contains(page.Body, "code_challenge=") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	// Nobody is sent anywhere else.
	for _, uri := range []string{
		"https://evil.example/", "http://evil.example:1/", "http://127.0.0.1:1@evil.example/", "http://localhost:1/", "//evil.example/", "http://127.0.0.1/", "http://127.0.0.1:1/?x=y", "javascript:alert(1)",
	} {
		q := newProgram()
		q.uri = uri
		status, header, body := n.ask("GET", q.login(), "", "")
		if status != 400 || header.Get("Location") != "" || decoded[api.Problem](t, body).Code != "redirect_invalid" {
			t.Errorf("%s: %d %v %s", uri, status, header, body)
		}
	}
	for _, more := range [][]string{{"code_challenge_method", "plain"}, {"code_challenge", "x"}, {"state", ""}} {
		if status, header, body := n.ask("GET", p.login(more...), "", ""); status != 400 || header.Get("Location") != "" {
			t.Errorf("%v: %d %s", more, status, body)
		}
	}
	for _, path := range []string{"/v1/session/login?redirect_uri=http://127.0.0.1:1/", "/v1/session/login?return_to=https://evil.example", "/v1/session/login?tenant=A"} {
		if status, header, body := n.ask("GET", path, "", ""); status != 400 || header.Get("Location") != "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestCookiesOverHTTPS shows that behind https the cookies are bound to the host.
func TestCookiesOverHTTPS(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t, "--public-url", "https://ledger.example")
	n.start()
	status, header, body := n.ask("GET", "/v1/session/login", "", "")
	set := header.Get("Set-Cookie")
	if status != 303 || !strings.HasPrefix(set, "__Host-tokenledger_signin=") || !strings.Contains(set, "; Secure") || !strings.Contains(set, "; HttpOnly") || !strings.Contains(set, "; SameSite=Lax") || !strings.Contains(set, "; Path=/;") {
		t.Errorf("%d %q %s", status, set, body)
	}
	to, err := url.Parse(header.Get("Location"))
	if q := to.Query(); err != nil || !strings.HasPrefix(to.String(), n.issuer.URL) || q.Get("redirect_uri") != "https://ledger.example/v1/session/callback" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("response_type") != "code" {
		t.Errorf("%s, %v", to, err)
	}
	// The cookie of plain http is another's here.
	if status, _, _ := n.ask("GET", "/v1/tokens", "", "", "Cookie", "tokenledger_session="+n.token); status != 401 {
		t.Errorf("%d", status)
	}
	if _, _, body := n.ask("GET", "/v1/tokens", "", "", "Cookie", "tokenledger_session="+n.token); decoded[api.Problem](t, body).Code != "no_token" {
		t.Errorf("%s", body)
	}
}
