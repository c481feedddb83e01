package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/signin/signintest"
)

// staff are the people of the tests' issuer, and their groups.
func staff() map[string]any {
	return map[string]any{
		"anil": []string{"ops"}, "bea": []string{"sec"}, "cleo": []string{"ops", "acme-ops"}, "dai": []string{"acme-ops"}, "eve": []string{"strangers"}, "fay": nil, "gus": []string{"feed"},
	}
}

// newNodeForPeople gives a node at which the staff can sign in. It is not started.
func newNodeForPeople(t *testing.T, args ...string) *node {
	t.Helper()
	i := signintest.Start(t, staff())
	n := newNode(t)
	secret := filepath.Join(n.dir, "client-secret")
	if err := os.WriteFile(secret, []byte(signintest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.args = append([]string{
		"--oidc-issuer", i.URL, "--oidc-client-id", signintest.ClientID, "--oidc-client-secret-file", secret,
		"--oidc-grant", "ops=admin,sec=auditor,acme-ops=admin@acme,feed=subscriber",
	}, args...)
	n.issuer = i
	return n
}

// startForPeople starts it, and tells the issuer where it is.
func (n *node) startForPeople() {
	n.t.Helper()
	n.start()
	n.issuer.Redirects(n.url + "/v1/session/callback")
}

// browser gives one without cookies.
func (n *node) browser() *signintest.Browser {
	b := signintest.NewBrowser(n.t)
	n.t.Cleanup(b.CloseIdleConnections)
	return b
}

// cookieOf gives the value that a browser would send to the node.
func (n *node) cookieOf(b *signintest.Browser, name string) string {
	n.t.Helper()
	u, err := url.Parse(n.url)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// session signs the person in and gives the session's token.
func (n *node) session(person string) string {
	n.t.Helper()
	b := n.browser()
	page := b.SignIn(n.url+"/v1/session/login", person)
	token := n.cookieOf(b, "tokenledger_session")
	if page.Status != 200 || token == "" {
		n.t.Fatalf("%s was not signed in: %d %s", person, page.Status, page.Body)
	}
	return token
}

// returning signs the person in at the issuer alone, and gives the request that the
// browser comes back with.
func (n *node) returning(person string, login string) asked {
	n.t.Helper()
	b := n.browser()
	b.Stop = func(u *url.URL) bool { return u.Path == "/v1/session/callback" }
	page := b.SignIn(n.url+login, person)
	back, err := url.Parse(page.Header.Get("Location"))
	if err != nil || back.Path != "/v1/session/callback" {
		n.t.Fatalf("%s does not come back: %d %v %s", person, page.Status, page.Header, page.Body)
	}
	return asked{path: back.RequestURI(), headers: []string{"Cookie", "tokenledger_signin=" + n.cookieOf(b, "tokenledger_signin")}}
}

// program is a program that waits for a person on this machine.
type program struct{ uri, state, verifier string }

func newProgram() program {
	return program{"http://127.0.0.1:49152/done", "st-" + fresh()[3:29], oauth2.GenerateVerifier()}
}

// login is the path that the program sends the person to.
func (p program) login(more ...string) string {
	q := url.Values{"redirect_uri": {p.uri}, "state": {p.state}, "code_challenge": {oauth2.S256ChallengeFromVerifier(p.verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/v1/session/login?" + q.Encode()
}

// codeFor signs the person in, and gives the code that comes to the program.
func (n *node) codeFor(p program, person string, more ...string) string {
	n.t.Helper()
	b := n.browser()
	b.Stop = func(u *url.URL) bool { return u.Port() == "49152" }
	page := b.SignIn(n.url+p.login(more...), person)
	to, err := url.Parse(page.Header.Get("Location"))
	if err != nil || page.Status != http.StatusSeeOther || !strings.HasPrefix(to.String(), p.uri+"?") || to.Query().Get("state") != p.state {
		n.t.Fatalf("%s was not sent to the program: %d %v %s", person, page.Status, page.Header, page.Body)
	}
	if n.cookieOf(b, "tokenledger_session") != "" {
		n.t.Error("the browser got a session too")
	}
	return to.Query().Get("code")
}

func redeem(code, verifier string) string {
	raw, err := json.Marshal(api.SessionTokenRequest{Code: code, CodeVerifier: verifier})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// eventsOf gives the events of a kind about a token, in order.
func (n *node) eventsOf(id, kind string) (all []recordedFacts) {
	n.t.Helper()
	for e, err := range n.client().HistoryAll(n.t.Context(), id, client.HistoryRequest{}) {
		if err != nil {
			n.t.Fatal(err)
		}
		if strings.HasSuffix(e.Subject, "."+kind) {
			all = append(all, decoded[recordedFacts](n.t, e.Event))
		}
	}
	return all
}

// recordedFacts is what the tests read of an event.
type recordedFacts struct {
	Type, Tenant string
	Data         struct {
		Actor struct {
			Type, ID, Name string
			TokenID        string `json:"token_id"`
		}
		Person     *api.Person
		ReasonCode string `json:"reason_code"`
		Scopes     []string
	}
}
