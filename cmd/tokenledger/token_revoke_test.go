package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

func TestOneTokenThatFailsDoesNotStopTheOthers(t *testing.T) {
	revoked := sample()
	revoked.Status, revoked.RevokedAt = "revoked", &created
	o := run(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, idA) {
			answer(404, api.Problem{Status: 404, Code: "not_found", Detail: "no such token"})(w, r)
			return
		}
		answer(200, revoked)(w, r)
	}, "", "token", "revoke", idA, idB, "--reason-code", "leaked")
	o.want(t, 1, "Token "+idB+" (shop checkout) is revoked, since 2026-03-01T12:00:00Z.\n",
		"tokenledger: cannot revoke "+idA+": no such token\n  404 not_found\n")
}

func TestRevokeByFilter(t *testing.T) {
	var got []api.BulkRevokeRequest
	node := func(w http.ResponseWriter, r *http.Request) {
		var req api.BulkRevokeRequest
		_ = json.NewDecoder(r.Body).Decode(&req)
		got = append(got, req)
		b := api.BulkRevoked{Matched: 1, Tokens: []api.Token{sample()}}
		if !req.DryRun {
			b.Revoked = 1
		}
		answer(200, b)(w, r)
	}
	o := run(t, node, "", "token", "revoke", "--site", "shop.example", "--tenant", "acme", "--dry-run")
	if o.code != 0 || !strings.HasPrefix(o.stdout, "1 token would be revoked; nothing was changed.\n") || !strings.Contains(o.stdout, idB) {
		t.Errorf("a dry run gave %+v", o)
	}
	o = run(t, node, "", "token", "revoke", "--unused-since", "90d", "--yes", "--reason-code", "unused", "--json")
	if o.code != 0 || !strings.HasPrefix(o.stdout, `{"matched":1,"revoked":1,`) {
		t.Errorf("a revocation gave %+v", o)
	}
	if len(got) != 2 || !got[0].DryRun || got[0].Tenant != "acme" || got[0].Filter.Site != "shop.example" ||
		got[1].DryRun || got[1].Filter.UnusedSince == nil || got[1].ReasonCode != "unused" {
		t.Errorf("the node was asked %+v", got)
	}
	for _, args := range [][]string{
		{"--site", "s"},
		{"--tenant", "acme", "--yes"},
		{idA, "--site", "s", "--yes"},
		{idA, "--dry-run"},
		{"--site", "s", "--yes", "--effective-at", "2030-01-01T00:00:00Z"},
		{idA, "--reason-code", "whim"},
	} {
		if o := run(t, nobody, "y\n", append([]string{"token", "revoke"}, args...)...); o.code != 2 {
			t.Errorf("%v gave %+v", args, o)
		}
	}
}
