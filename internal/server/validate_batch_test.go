package server_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// TestManyValidationsInOneCall shows that the answers are in order, each as it would be
// alone, and that all uses are on record.
func TestManyValidationsInOneCall(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--usage-window", "20ms")
	n.start()
	c := n.client()
	good, secret := generate(t, c, api.GenerateRequest{Name: "good", Site: "shop", Scopes: []string{"orders:*"}})
	_, foreign := generate(t, c, api.GenerateRequest{Name: "foreign", Tenant: "acme"})
	caller, validator := generate(t, c, api.GenerateRequest{Name: "validator", Scopes: []string{"ledger:tokens:validate"}})
	service := n.as(validator)
	req := api.ValidateBatchRequest{}
	var want []string
	for _, item := range []struct {
		api.ValidateItem
		reason string
	}{
		{api.ValidateItem{Token: secret, Site: "shop", Scopes: []string{"orders:read"}, ClientIP: "192.0.2.7", Resource: "GET /"}, ""},
		{api.ValidateItem{Token: "hello"}, "malformed"},
		{api.ValidateItem{Token: fresh()}, "unknown"},
		{api.ValidateItem{Token: foreign}, "unknown"},
		{api.ValidateItem{Token: otherSecret(secret)}, "bad_secret"},
		{api.ValidateItem{Token: secret, Site: "blog"}, "site_mismatch"},
	} {
		req.Tokens, want = append(req.Tokens, item.ValidateItem), append(want, item.reason)
	}
	for len(req.Tokens) < 1000 {
		req.Tokens, want = append(req.Tokens, api.ValidateItem{Token: secret}), append(want, "")
	}
	answer, err := service.ValidateMany(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answer.Answers {
		if a.Reason != want[i] || a.Active != (want[i] == "") || (a.Token != nil) != a.Active || a.Active && a.Token.ID != good.ID {
			t.Fatalf("answer %d is %+v, want %q", i, a, want[i])
		}
	}
	if answer.AsOfSeq == 0 {
		t.Error("the answers take in nothing")
	}
	counted := func(what string, id string, uses uint64) {
		eventually(t, what, func(ctx context.Context) bool {
			tok, err := c.Token(ctx, id)
			return err == nil && tok.UseCount == uses
		})
	}
	counted("the uses are on record", good.ID, 995)
	counted("the caller's use is, once", caller.ID, 1)

	// Refused as a whole, with nothing on record.
	ok := `{"token":"` + secret + `"}`
	for _, tc := range []struct {
		body, code, detail string
		status             int
	}{
		{`{"tokens":[` + ok + `,{"token":"x","client_ip":"here"}]}`, "client_ip_invalid", "tokens[1]: ", 400},
		{`{"tokens":[` + ok + `,` + ok + `,{"token":"x","scopes":["a b"]}]}`, "scope_invalid", "tokens[2]: ", 400},
		{`{"tokens":[]}`, "batch_length", "", 400},
		{`{"tokens":[` + strings.Repeat(ok+",", 1000) + ok + `]}`, "batch_length", "", 400},
		{`{"tokens":[` + ok + `],"min":1}`, "body_invalid", "", 400},
		{`{"tokens":[` + ok + `],"min_seq":18446744073709551615}`, "behind", "", 503},
		{`{"tokens":[{"token":"` + strings.Repeat("x", 3<<20) + `"}]}`, "body_too_large", "", 413},
	} {
		status, _, body := n.ask("POST", "/v1/tokens/validate/batch", validator, tc.body)
		var p api.Problem
		if err := json.Unmarshal(body, &p); err != nil || status != tc.status || p.Code != tc.code || !strings.HasPrefix(p.Detail, tc.detail) {
			t.Errorf("%.80s: %d %s, %v", tc.body, status, body, err)
		}
	}
	_, none := generate(t, c, api.GenerateRequest{Name: "none"})
	if status, _, body := n.ask("POST", "/v1/tokens/validate/batch", none, `{"tokens":[`+ok+`]}`); status != 403 {
		t.Errorf("without the permission: %d %s", status, body)
	}
	if a, err := service.Validate(t.Context(), api.ValidateRequest{Token: secret}); err != nil || !a.Active {
		t.Fatal(err)
	}
	counted("one use more, and no other", good.ID, 996)
	rejected := 0
	for e, err := range c.HistoryAll(t.Context(), good.ID, client.HistoryRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Subject, ".rejected") {
			rejected++
		}
	}
	if rejected != 2 {
		t.Errorf("%d rejections are on record, want a bad secret and a wrong site", rejected)
	}
}
