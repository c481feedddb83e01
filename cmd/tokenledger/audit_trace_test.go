package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// A story that was cut says so where its numbers stand, and how to see the rest.
func TestACutStorySaysSo(t *testing.T) {
	at := created
	event := func(kind string, count int) api.AuditEvent {
		raw, err := json.Marshal(map[string]any{"data": map[string]any{"count": count, "token_id": idB}})
		if err != nil {
			t.Fatal(err)
		}
		return api.AuditEvent{Seq: 9, Received: at, Subject: "ledger.default." + kind, Event: raw}
	}
	story := api.Trace{
		Seq: 5_000_000, Token: api.PastToken{ID: idB, Name: "shop", Status: "revoked", RevokedAt: &at}, FirstSeen: &at, LastSeen: &at,
		MoreUses: true, Uses: 400_000, Rejections: 7, MoreAfterEnd: true, AfterEnd: []api.AuditEvent{event("rejected", 3), event("used", 1)},
		Unread:    []api.TraceUnread{{From: 200_001, To: 4_000_000, Events: 3_700_000, Cursor: "200000.4000000"}, {From: 4_500_000, To: 4_500_000, Events: 1, Cursor: "4499999.4500000"}},
		Addresses: []api.TraceAddress{{IP: "192.0.2.7", Uses: 400_000, First: at, Last: at}},
	}
	o := run(t, answer(200, story), "", "audit", "trace", idB)
	for _, want := range []string{
		"!! PRESENTED AFTER ITS REVOCATION (2026-03-01T12:00:00Z): at least 3 times refused, at least 1 time ACCEPTED\n",
		"… and more: tokenledger audit events --token " + idB + " --all shows all.\n",
		"Where it was presented: at least 400000 times accepted, at least 7 times refused, first ",
		"It was presented too often for all to be read: these are the oldest, the newest, and those after its revocation.\nNot read:\n" +
			"  3700000 events from sequence 200001 to 4000000: tokenledger audit events --token " + idB + " --cursor 200000.4000000 --all\n" +
			"  1 event from sequence 4500000 to 4500000: tokenledger audit events --token " + idB + " --cursor 4499999.4500000 --all\n",
	} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("without %q:\n%s", want, o.stdout)
		}
	}
	story.MoreProofs = true
	if o = run(t, answer(200, story), "", "audit", "trace", idB, "--json", "--proof"); !strings.Contains(o.stderr, "tokenledger audit events --token "+idB+" --all --json --proof proves every event\n") || !strings.Contains(o.stdout, `"more_proofs":true`) {
		t.Errorf("%+v", o)
	}
	story.MoreUses, story.Unread, story.MoreAfterEnd = false, nil, false
	if o = run(t, answer(200, story), "", "audit", "trace", idB); strings.Contains(o.stdout, "at least") || strings.Contains(o.stdout, "Not read") || o.code != exitDone {
		t.Errorf("%+v", o)
	}
}
