package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// The tests in interface_*_test.go walk over the whole OpenAPI document that a node gives
// of itself. A call that is added without a request here fails them.

// operation is one call, as the document has it.
type operation struct {
	id, method, path string
	// open needs no token, local none on the same machine.
	open, local bool
	needs       string
	statuses    []int
}

var needsPermission = regexp.MustCompile("^Needs `([a-z:]+)`")

// operations reads the document of a running node.
func (n *node) operations() (all []operation) {
	n.t.Helper()
	doc := decoded[struct {
		Paths map[string]map[string]struct {
			OperationID string
			Description string
			Security    []map[string][]string
			Responses   map[string]json.RawMessage
		}
	}](n.t, n.must(200, "GET", "/openapi.json", "", ""))
	for path, methods := range doc.Paths {
		for method, op := range methods {
			o := operation{id: op.OperationID, method: strings.ToUpper(method), path: path}
			o.open = len(op.Security) == 0
			o.local = slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return len(s) == 0 })
			if m := needsPermission.FindStringSubmatch(op.Description); m != nil {
				o.needs = m[1]
			}
			for status := range op.Responses {
				code, err := strconv.Atoi(status)
				if err != nil {
					n.t.Fatalf("%s documents the status %q", o.id, status)
				}
				o.statuses = append(o.statuses, code)
			}
			slices.Sort(o.statuses)
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	if len(all) < 20 {
		n.t.Fatalf("the document has %d operations; this test no longer reads it", len(all))
	}
	return all
}

// asked is a request but for its credentials.
type asked struct {
	path, body string
	headers    []string
}

// with gives the request with another path, body, or headers more.
func (a asked) with(path, body string, headers ...string) asked {
	return asked{path, body, append(slices.Clone(a.headers), headers...)}
}

// victim is what a request is about: a token, and the tenant that it belongs to.
type victim struct {
	tenant string
	token  api.Token
	secret string
	n      *node
}

// requests gives, for every operation, one that succeeds for a caller who may.
var requests = map[string]func(v victim) asked{
	"post-v1-tokens":            func(victim) asked { return asked{path: "/v1/tokens", body: `{"name":"made","ttl":"1d"}`} },
	"get-v1-tokens":             func(victim) asked { return asked{path: "/v1/tokens?limit=1000"} },
	"get-v1-tokens-id":          func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID} },
	"get-v1-tokens-id-history":  func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID + "/history"} },
	"patch-v1-tokens-id":        func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID, body: `{"owner":"me"}`} },
	"post-v1-tokens-id-revoke":  func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID + "/revoke"} },
	"post-v1-tokens-id-rotate":  func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID + "/rotate"} },
	"post-v1-tokens-id-suspend": func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID + "/suspend"} },
	"post-v1-tokens-id-resume":  func(v victim) asked { return asked{path: "/v1/tokens/" + v.token.ID + "/resume"} },
	"post-v1-tokens-revoke": func(v victim) asked {
		return asked{path: "/v1/tokens/revoke", body: `{"filter":{"site":"` + v.token.Site + `"}}`}
	},
	"post-v1-tokens-import":   func(victim) asked { return asked{path: "/v1/tokens/import", body: importOf(1)} },
	"post-v1-tokens-validate": func(v victim) asked { return asked{path: "/v1/tokens/validate", body: `{"token":"` + v.secret + `"}`} },
	"post-v1-tokens-validate-batch": func(v victim) asked {
		return asked{path: "/v1/tokens/validate/batch", body: `{"tokens":[{"token":"` + v.secret + `"}]}`}
	},
	"get-v1-tokens-unused": func(victim) asked { return asked{path: "/v1/tokens/unused?for=1s"} },
	"post-v1-leaks":        func(v victim) asked { return asked{path: "/v1/leaks", body: `{"token":"` + v.secret + `"}`} },
	"post-v1-leaks-github": func(v victim) asked {
		body := "[" + match(v.secret, "https://a.example") + "]"
		return asked{path: "/v1/leaks/github", body: body, headers: []string{"Github-Public-Key-Identifier", gitHubKeyID, "Github-Public-Key-Signature", signBody(walkKey(), body)}}
	},
	"get-v1-session-login":     func(victim) asked { return asked{path: "/v1/session/login"} },
	"get-v1-session-callback":  func(v victim) asked { return v.comingBack("anil") },
	"post-v1-session-token":    func(v victim) asked { return v.redeeming() },
	"get-v1-session":           func(victim) asked { return asked{path: "/v1/session"} },
	"post-v1-session-logout":   func(v victim) asked { return asked{path: "/v1/session/logout", headers: v.sessionHeader()} },
	"get-v1-projections":       func(victim) asked { return asked{path: "/v1/projections"} },
	"get-v1-audit-events":      func(v victim) asked { return asked{path: "/v1/audit/events?limit=1000&token=" + v.token.ID} },
	"post-v1-audit-trace":      func(v victim) asked { return asked{path: "/v1/audit/trace", body: `{"token":"` + v.token.ID + `"}`} },
	"get-v1-audit-as-of":       func(victim) asked { return asked{path: "/v1/audit/as-of?limit=1000&seq=9"} },
	"get-v1-audit-diff":        func(victim) asked { return asked{path: "/v1/audit/diff?limit=1000&from=1&to=9"} },
	"get-v1-audit-checkpoint":  func(victim) asked { return asked{path: "/v1/audit/checkpoint"} },
	"get-v1-audit-consistency": func(victim) asked { return asked{path: "/v1/audit/consistency?from=1"} },
	"get-v1-audit-key":         func(victim) asked { return asked{path: "/v1/audit/key"} },
	"get-v1-audit-proofs-seq":  func(v victim) asked { return asked{path: fmt.Sprint("/v1/audit/proofs/", v.token.Seq)} },
	"get-v1-audit-tile-path":   func(victim) asked { return asked{path: "/v1/audit/tile/0/000.p/1"} },
	"get-v1-authorize": func(v victim) asked {
		return asked{path: "/v1/authorize?scope=orders:read", headers: []string{"Authorization", "Bearer " + v.secret}}
	},
	"post-oauth2-introspect": func(v victim) asked {
		return asked{path: "/oauth2/introspect", body: "token=" + v.secret, headers: []string{"Content-Type", formType}}
	},
	"post-oauth2-revoke": func(v victim) asked {
		return asked{path: "/oauth2/revoke", body: "token=" + v.secret, headers: []string{"Content-Type", formType}}
	},
	"get-well-known-oauth-authorization-server": func(victim) asked { return asked{path: "/.well-known/oauth-authorization-server"} },
	"get-healthz":      func(victim) asked { return asked{path: "/healthz"} },
	"get-readyz":       func(victim) asked { return asked{path: "/readyz"} },
	"get-metrics":      func(victim) asked { return asked{path: "/metrics"} },
	"get-openapi-json": func(victim) asked { return asked{path: "/openapi.json"} },
}

const formType = "application/x-www-form-urlencoded"

// importOf is the body of an import of keys that nobody has imported before.
func importOf(lines int) string {
	var b strings.Builder
	for range lines {
		fmt.Fprintf(&b, `{"sha256":"%s","name":"taken over"}`+"\n", sha256Of(fresh()))
	}
	return b.String()
}

// request gives the operation's request, about v.
func (o operation) request(t *testing.T, v victim) asked {
	t.Helper()
	of, ok := requests[o.id]
	if !ok {
		t.Fatalf("no request is known for %s: add one to the table of this test", o.id)
	}
	return of(v)
}

// newVictim generates a token of the tenant to ask about.
func (n *node) newVictim(tenant string) victim {
	n.t.Helper()
	tok, secret := generate(n.t, n.client(), api.GenerateRequest{
		Name: "victim of " + tenant, Site: "victim-" + fresh()[3:29] + ".example", Owner: "victim's owner", Tenant: tenant, TTL: "1d", Scopes: []string{"orders:read"},
	})
	return victim{tenant, tok, secret, n}
}

// holding gives a token of the tenant with the scopes.
func (n *node) holding(tenant string, scopes ...string) string {
	n.t.Helper()
	_, secret := generate(n.t, n.client(), api.GenerateRequest{Name: "caller", Tenant: tenant, TTL: "1d", Scopes: scopes})
	return secret
}

// send asks with the token as the caller's own.
func (n *node) send(o operation, a asked, token string) (int, http.Header, []byte) {
	n.t.Helper()
	if o.id == "get-v1-authorize" && token != "" {
		// Authorization is that of the request which a proxy asks about.
		return n.ask(o.method, a.path, "", a.body, append(slices.Clone(a.headers), "X-Ledger-Authorization", "Bearer "+token)...)
	}
	return n.ask(o.method, a.path, token, a.body, a.headers...)
}

// permissions are all that the ledger has, but for those that hold others.
var permissions = []string{
	"ledger:tokens:read", "ledger:tokens:write", "ledger:tokens:revoke", "ledger:tokens:validate", "ledger:audit:read",
	"ledger:revocations:read", "ledger:exports:read", "ledger:webhooks:write",
}
