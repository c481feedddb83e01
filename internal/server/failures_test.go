package server_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestFailedValidationsAreLimited shows that whoever presents bad tokens in a flood is
// told to wait, that good tokens from the same address are answered all the time, and
// that no rejection is left out of the record.
func TestFailedValidationsAreLimited(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--failure-limit", "2", "--usage-window", "20ms")
	n.start()
	_, secret := generate(t, n.client(), api.GenerateRequest{Name: "good", Scopes: []string{"a"}})

	const flood = 60
	statuses := map[int]int{}
	for i := range flood {
		status, header, body := n.ask("GET", "/v1/tokens", otherSecret(secret), "", "User-Agent", fmt.Sprintf("made up %d", i))
		statuses[status]++
		switch status {
		case 429:
			if header.Get("Retry-After") == "" || decoded[api.Problem](t, body).Code != "too_many_failures" {
				t.Errorf("a failure too many: %v %s", header, body)
			}
		case 401:
		default:
			t.Fatalf("a bad token was answered %d: %s", status, body)
		}
		n.must(200, "GET", "/v1/tokens?limit=1", n.token, "")
	}
	if statuses[401] < 8 || statuses[429] == 0 {
		t.Errorf("statuses %v; 8 at once are told why", statuses)
	}

	// Of one caller, it is the address of the bearer that counts.
	statuses = map[int]int{}
	ask := func(token, ip string) int {
		body, _ := json.Marshal(api.ValidateRequest{Token: token, ClientIP: ip})
		status, _, _ := n.ask("POST", "/v1/tokens/validate", n.token, string(body))
		return status
	}
	for range flood {
		statuses[ask(otherSecret(secret), "203.0.113.5")]++
		if got := ask(secret, "203.0.113.5"); got != 200 {
			t.Fatalf("a good token from there was answered %d", got)
		}
	}
	if statuses[429] == 0 || statuses[200]+statuses[429] != flood {
		t.Errorf("statuses %v", statuses)
	}
	if got := ask(otherSecret(secret), "203.0.113.6"); got != 200 {
		t.Errorf("a bad token from another address was answered %d", got)
	}

	n.stop() // which puts all uses into the stream
	n.start()
	var rejected, events int
	for cursor := ""; ; {
		page := decoded[api.AuditEvents](t, n.must(200, "GET", "/v1/audit/events?kind=rejected&limit=1000&cursor="+cursor, n.token, ""))
		for _, e := range page.Events {
			events++
			rejected += decoded[struct{ Data struct{ Count int } }](t, e.Event).Data.Count
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if want := 2*flood + 1; rejected != want {
		t.Errorf("%d rejections are on record, %d were made", rejected, want)
	}
	if events > flood {
		t.Errorf("%d events for a flood in which only the first few may say what they like", events)
	}
}
