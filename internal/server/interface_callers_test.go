package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestEveryCallLooksAtItsCaller shows that no call answers somebody whose credentials are
// missing, wrong, or good no more, or whose token does not hold the permission.
func TestEveryCallLooksAtItsCaller(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--failure-limit", "0")
	n.start()
	c := n.client()
	revoked, revokedSecret := generate(t, c, api.GenerateRequest{Name: "revoked", TTL: "1d", Scopes: []string{"ledger:root"}})
	suspended, suspendedSecret := generate(t, c, api.GenerateRequest{Name: "suspended", TTL: "1d", Scopes: []string{"ledger:root"}})
	if _, err := c.Revoke(t.Context(), revoked.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Suspend(t.Context(), suspended.ID, api.SuspendRequest{}); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	_, pending := generate(t, c, api.GenerateRequest{Name: "pending", NotBefore: &later, Scopes: []string{"ledger:root"}})
	_, elsewhere := generate(t, c, api.GenerateRequest{Name: "elsewhere", AllowedCIDRs: []string{"203.0.113.0/24"}, Scopes: []string{"ledger:root"}})
	soon := time.Now().Add(50 * time.Millisecond)
	_, expired := generate(t, c, api.GenerateRequest{Name: "expired", ExpiresAt: &soon, Scopes: []string{"ledger:root"}})
	time.Sleep(time.Until(soon) + 10*time.Millisecond)

	callers := []struct{ who, token string }{
		{"nobody", ""}, {"a word", "hello"}, {"an unknown token", fresh()}, {"a wrong secret", otherSecret(n.token)},
		{"a token copied short", n.token[:len(n.token)-1]}, {"a revoked token", revokedSecret}, {"a suspended token", suspendedSecret},
		{"a pending token", pending}, {"an expired token", expired}, {"a token of another network", elsewhere},
	}
	v := n.newVictim("default")
	before := n.events()
	for _, o := range n.operations() {
		if o.open || o.local {
			continue
		}
		a := o.request(t, v)
		for _, caller := range callers {
			status, header, body := n.send(o, a, caller.token)
			if status != http.StatusUnauthorized || header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s, asked by %s: %d %s", o.id, caller.who, status, body)
			}
		}
	}
	if after := n.events(); after != before {
		t.Errorf("%d tokens came of it", after-before)
	}
	for _, o := range n.operations() {
		if o.needs == "" {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(permissions), func(p string) bool { return p == o.needs })
		status, _, body := n.send(o, o.request(t, v), n.holding("default", append(others, "*", "orders:*")...))
		if status != http.StatusForbidden {
			t.Errorf("%s, asked by one who holds all permissions but %s: %d %s", o.id, o.needs, status, body)
		}
	}
}

var requestIDs = regexp.MustCompile(`"request_id":"[^"]*"`)

// TestNoCallReachesAnotherTenant shows that an admin of one tenant neither sees, nor
// changes, nor can tell from what is not there, what another tenant has.
func TestNoCallReachesAnotherTenant(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	v := n.newVictim("acme")
	stranger := n.holding("evil", "ledger:admin", "*")
	nobody := v
	nobody.token.ID, nobody.token.Seq, nobody.secret = fresh()[3:29], 1<<40, fresh()
	nobody.token.Site = "victim-" + nobody.token.ID + ".example"

	for _, o := range n.operations() {
		if o.open || o.local {
			continue
		}
		// Each is asked about what another tenant has, and about what nobody has. What differs
		// between the answers is what the stranger knew before.
		plain := func(about victim, answer []byte) string {
			if !bytes.HasPrefix(answer, []byte("{")) {
				return string(answer) // evidence, in which numbers are what they are
			}
			s := requestIDs.ReplaceAllString(string(answer), "")
			for _, known := range []string{about.token.ID, about.token.Site, fmt.Sprint(about.token.Seq)} {
				s = strings.ReplaceAll(s, known, "…")
			}
			return regexp.MustCompile(`"as_of_seq":\d+|"seq":\d+`).ReplaceAllString(s, "")
		}
		status, _, answer := n.send(o, o.request(t, v), stranger)
		none, _, empty := n.send(o, o.request(t, nobody), stranger)
		if strings.Contains(o.path, "{id}") && status != http.StatusNotFound {
			t.Errorf("%s, about another tenant's token: %d %s", o.id, status, answer)
		}
		if about := strings.Contains(o.path, "{") || o.method == "POST"; status != none || about && o.id != "post-v1-tokens" && o.id != "post-v1-tokens-import" && plain(v, answer) != plain(nobody, empty) {
			t.Errorf("%s tells another tenant's token from one that does not exist: %d %s\n%d %s", o.id, status, answer, none, empty)
		}
		asked := o.request(t, v)
		for _, secret := range []string{v.token.Name, v.token.Owner, v.token.ID} {
			if bytes.Contains(answer, []byte(secret)) && !strings.Contains(asked.path+asked.body, secret) {
				t.Errorf("%s tells of another tenant's token: %s", o.id, answer)
			}
		}
	}
	got := decoded[api.Token](t, n.must(200, "GET", "/v1/tokens/"+v.token.ID, n.token, ""))
	if got.Seq != v.token.Seq || got.Status != "active" {
		t.Errorf("another tenant's token was changed: %+v", got)
	}

	// To name a tenant is refused alike, whether there is one or not.
	for _, path := range []string{"/v1/tokens?tenant=", "/v1/audit/events?tenant=", "/v1/audit/as-of?seq=5&tenant=", "/v1/audit/diff?from=1&to=5&tenant="} {
		there, _, one := n.ask("GET", path+"acme", stranger, "")
		not, _, two := n.ask("GET", path+"nobody", stranger, "")
		if there != 403 || not != 403 || requestIDs.ReplaceAllString(string(one), "") != requestIDs.ReplaceAllString(string(two), "") {
			t.Errorf("%s: %d %s\n%d %s", path, there, one, not, two)
		}
	}
}
