package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestABrokenIndexLeavesTheNodeRunning shows that questions are refused, and nothing
// else.
func TestABrokenIndexLeavesTheNodeRunning(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	made, secret := generate(t, n.client(), api.GenerateRequest{Name: "one"})
	n.must(200, "GET", "/v1/audit/events", n.token, "")
	n.stop()
	// A file in the place of the folder: neither readable nor to be deleted as useless.
	dir := filepath.Join(n.data, "projections", "audit-index")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	for _, path := range []string{"/v1/audit/events", "/v1/audit/as-of?seq=1", "/v1/audit/diff?from=1&to=2"} {
		if p := decoded[api.Problem](t, n.must(503, "GET", path, n.token, "")); p.Code != "index_unavailable" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if v, err := n.client().Validate(t.Context(), api.ValidateRequest{Token: secret}); err != nil || !v.Active {
		t.Errorf("%+v, %v", v, err)
	}
	n.must(200, "GET", "/v1/audit/checkpoint", n.token, "")
	if _, err := n.client().AuditProof(t.Context(), made.Seq); err != nil {
		t.Error(err)
	}
	n.must(200, "GET", "/readyz", "", "")
	n.stop()
	if !strings.Contains(n.log.String(), "the index over the audit log has stopped") {
		t.Error("the node's log does not say so")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.must(200, "GET", "/v1/audit/events", n.token, "")
}
