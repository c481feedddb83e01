package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestABulkRevocationOfAnySize shows that one call ends all that match, whatever their
// number, with an answer that does not grow with it.
func TestABulkRevocationOfAnySize(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	const many = 3_500 // more than a batch, and more than an answer lists
	importMany(t, n, "leaked", 0, many)
	kept, _ := generate(t, c, api.GenerateRequest{Name: "kept", Site: "other"})
	req := api.BulkRevokeRequest{Filter: api.Filter{Site: "leaked"}, ReasonCode: "leaked", DryRun: true}
	would, err := c.BulkRevoke(t.Context(), req)
	if err != nil || would.Value.Matched != many || would.Value.Revoked != 0 || len(would.Value.Tokens) != 1000 || would.Value.TokensOmitted != many-1000 {
		t.Fatalf("the dry run: %d matched, %d revoked, %d and %d more; %v", would.Value.Matched, would.Value.Revoked, len(would.Value.Tokens), would.Value.TokensOmitted, err)
	}
	// One that holds root is found before the first is ended, wherever it stands.
	root, _ := generate(t, c, api.GenerateRequest{Name: "root at a leaked site", Site: "leaked", Scopes: []string{"ledger:root"}})
	req.DryRun = false
	if _, err := c.BulkRevoke(t.Context(), req); problem(err).Code != "root_matched" {
		t.Errorf("with a token of root: %v", err)
	}
	if got := count(t, n, api.ListRequest{Site: "leaked", Status: "active", Limit: 1000}); got != many+1 {
		t.Errorf("%d are active after the refusal", got)
	}
	if _, err := c.Revoke(t.Context(), root.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	done, err := c.BulkRevoke(t.Context(), req)
	if err != nil || done.Value.Matched != many || done.Value.Revoked != many || len(done.Value.Tokens) != 1000 || done.Value.TokensOmitted != many-1000 || done.Seq <= would.Seq {
		t.Fatalf("%d matched, %d revoked, %d and %d more at %d; %v", done.Value.Matched, done.Value.Revoked, len(done.Value.Tokens), done.Value.TokensOmitted, done.Seq, err)
	}
	for _, tok := range done.Value.Tokens {
		if tok.Status != "revoked" || tok.ReasonCode != "leaked" {
			t.Fatalf("in the answer: %+v", tok)
		}
	}
	if got := count(t, n, api.ListRequest{Site: "leaked", Status: "active", Limit: 1000}); got != 0 {
		t.Errorf("%d are active", got)
	}
	if again, err := c.BulkRevoke(t.Context(), req); err != nil || again.Value.Matched != 0 {
		t.Errorf("once more: %+v, %v", again.Value, err)
	}
	if got, err := c.Token(t.Context(), kept.ID); err != nil || got.Status != "active" {
		t.Errorf("another site's: %+v, %v", got, err)
	}
}

// TestABulkRevocationByTimes shows the filters by expiry and by last use.
func TestABulkRevocationByTimes(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	generate(t, c, api.GenerateRequest{Name: "soon", Owner: "ops", TTL: "1d"})
	generate(t, c, api.GenerateRequest{Name: "later", Owner: "ops", TTL: "90d"})
	generate(t, c, api.GenerateRequest{Name: "never", Owner: "ops"})
	bound, before := time.Now().Add(7*24*time.Hour), time.Now().Add(-time.Hour)
	for _, tc := range []struct {
		filter api.Filter
		want   string
	}{
		{api.Filter{Owner: "ops", ExpiresBefore: &bound}, "[soon]"},
		{api.Filter{ExpiresBefore: &bound}, "[soon]"},
		{api.Filter{Owner: "ops", UnusedSince: &before}, "[]"},
		{api.Filter{Owner: "ops", UnusedSince: &bound}, "[soon later never]"},
	} {
		var names []string
		would, err := c.BulkRevoke(t.Context(), api.BulkRevokeRequest{Filter: tc.filter, DryRun: true})
		for _, tok := range would.Value.Tokens {
			names = append(names, tok.Name)
		}
		if err != nil || fmt.Sprint(names) != tc.want {
			t.Errorf("%+v matches %v, want %s; %v", tc.filter, names, tc.want, err)
		}
	}
	status, _, body := n.ask("POST", "/v1/tokens/revoke", n.token, `{"filter":{"expires_before":"0001-01-01T00:00:00Z"}}`)
	if status != http.StatusBadRequest || !strings.Contains(string(body), "time_invalid") {
		t.Errorf("a zero time: %d %s", status, body)
	}
}
