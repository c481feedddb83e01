package interop_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestOpenIDClientIntrospectsAndRevokes has a library that knows nothing of the ledger
// find its endpoints, introspect a token and revoke it.
func TestOpenIDClientIntrospectsAndRevokes(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	node := program(t, "node")
	if _, err := os.Stat(filepath.Join("openid-client", "node_modules", "openid-client")); err != nil {
		t.Fatal("the packages of openid-client are not installed; run make tools, which installs what these tests need")
	}
	for _, way := range []string{"basic", "bearer"} {
		caller, callerSecret := n.generate(api.GenerateRequest{Name: "resource server", TTL: "1d", Scopes: []string{"ledger:tokens:validate", "ledger:tokens:revoke"}})
		tok, secret := n.generate(api.GenerateRequest{Name: "Müller's key", Owner: "shop team", Site: "shop.example", TTL: "1d", Scopes: []string{"orders:read", "orders:write"}})
		cmd := exec.CommandContext(t.Context(), node, "main.mjs")
		cmd.Dir = "openid-client"
		cmd.Env = append(os.Environ(), "ISSUER="+n.URL(), "WAY="+way, "CLIENT_ID="+caller.ID, "CLIENT_SECRET="+callerSecret, "TOKEN="+secret)
		out, err := cmd.Output()
		if err != nil {
			detail := ""
			if e, ok := errors.AsType[*exec.ExitError](err); ok {
				detail = string(e.Stderr)
			}
			t.Fatalf("%s: %v\n%s", way, err, detail)
		}
		var got struct {
			Before  api.Introspection
			After   map[string]any
			Refused struct {
				Status int
				Error  string
			}
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v: %s", way, err, out)
		}
		want := api.Introspection{
			Active: true, Scope: "orders:read orders:write", ClientID: tok.ID, Username: "shop team", TokenType: "Bearer",
			ExpiresAt: tok.ExpiresAt.Unix(), IssuedAt: tok.CreatedAt.Unix(), Subject: tok.ID, Audience: "shop.example", Issuer: n.URL(),
			TokenID: tok.ID, Tenant: "default", Name: "Müller's key",
		}
		if got.Before != want {
			t.Errorf("%s: introspected as %+v, want %+v", way, got.Before, want)
		}
		if len(got.After) != 1 || got.After["active"] != false {
			t.Errorf("%s: after its revocation: %v", way, got.After)
		}
		if got.Refused.Status != 401 {
			t.Errorf("%s: a wrong secret was answered %+v", way, got.Refused)
		}
		record, err := n.client().Token(t.Context(), tok.ID)
		if err != nil {
			t.Fatal(err)
		}
		if record.Status != "revoked" || record.RevokedBy != caller.ID || record.ReasonCode != "requested" {
			t.Errorf("%s: the record after its revocation: %+v", way, record)
		}
	}
}
