package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

func TestValidateSaysWhetherAndWhyNot(t *testing.T) {
	ends := created
	good := api.ValidateAnswer{Active: true, AsOfSeq: 9, Token: &api.ValidToken{ID: idB, Tenant: "default", Name: "a \"b\"", Site: "s", Scopes: []string{"x", "y"}, ExpiresAt: &ends}}
	run(t, answer(200, good), newToken, "validate").want(t, 0,
		"valid: token "+idB+` "a \"b\"" of tenant default, site s, scopes x y, expires 2026-03-01T12:00:00Z (as of sequence 9)`+"\n", "")
	for _, reason := range []string{"malformed", "unknown", "bad_secret", "revoked", "expired", "not_yet_valid", "suspended", "insufficient_scope", "site_mismatch", "ip_denied"} {
		o := run(t, answer(200, api.ValidateAnswer{Reason: reason, AsOfSeq: 9}), newToken, "validate")
		if o.code != 3 || o.stderr != "" || !strings.HasPrefix(o.stdout, "not valid: "+reason+" (") {
			t.Errorf("%s: %+v", reason, o)
		}
	}
	run(t, answer(200, api.ValidateAnswer{Reason: "revoked", AsOfSeq: 9}), newToken, "validate", "--json").
		want(t, 3, `{"active":false,"reason":"revoked","as_of_seq":9}`+"\n", "")
}

func TestValidateTakesTheTokenFromStandardInput(t *testing.T) {
	for in, want := range map[string]string{
		newToken:            newToken,
		newToken + "\n":     newToken,
		newToken + "\r\n":   newToken,
		newToken + "\n\n":   newToken + "\n",
		" " + newToken:      " " + newToken,
		"":                  "",
		"\n":                "",
		"\r\n":              "",
		long(maxTokenInput): long(maxTokenInput),
		long(5000):          "",
	} {
		var got api.ValidateRequest
		o := run(t, func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewDecoder(r.Body).Decode(&got)
			answer(200, api.ValidateAnswer{Active: true})(w, r)
		}, in, "validate", "--scope", "a", "--scope", "b", "--site", "s", "--client-ip", "192.0.2.1", "--user-agent", "u", "--resource", "r", "--min-seq", "5")
		if got.Token != want || (want == "") != (o.code == 2) {
			t.Errorf("%d bytes %.20q: sent %.20q, %+v", len(in), in, got.Token, o)
		}
		if want != "" && fmt.Sprintf("%v %s %s %s %s %d", got.Scopes, got.Site, got.ClientIP, got.UserAgent, got.Resource, got.MinSeq) != "[a b] s 192.0.2.1 u r 5" {
			t.Error("sent something else than the flags say")
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }
