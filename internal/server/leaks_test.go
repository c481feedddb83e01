package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// leak is what the tests read of a leaked event.
type leak struct {
	Seq  uint64
	Data struct {
		TokenID string `json:"token_id"`
		Actor   struct {
			Type, ID, Name string
		} `json:"actor"`
		Source     string `json:"source"`
		URL        string `json:"url"`
		Note       string `json:"note"`
		SecretType string `json:"secret_type"`
		ReportedBy string `json:"reported_by"`
		Presented  bool   `json:"presented"`
		Action     string `json:"action"`
		Reason     string `json:"reason"`
	} `json:"data"`
}

// leaks gives the reports on record of a token, and the kinds of all of its events.
func (n *node) leaks(id string) (all []leak, kinds string) {
	n.t.Helper()
	var words []string
	for e, err := range n.client().HistoryAll(n.t.Context(), id, client.HistoryRequest{}) {
		if err != nil {
			n.t.Fatal(err)
		}
		kind := e.Subject[strings.LastIndexByte(e.Subject, '.')+1:]
		if kind == "used" || kind == "rejected" {
			continue
		}
		words = append(words, kind)
		if kind == "leaked" {
			l := leak{Seq: e.Seq}
			if err := json.Unmarshal(e.Event, &l); err != nil {
				n.t.Fatal(err)
			}
			all = append(all, l)
		}
	}
	return all, strings.Join(words, " ")
}

// report reports leaks and gives the outcomes.
func report(t *testing.T, c *client.Client, req api.LeaksRequest) []api.LeakAnswer {
	t.Helper()
	w, err := c.ReportLeaks(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return w.Value.Leaks
}

func reportOne(t *testing.T, c *client.Client, req api.LeaksRequest) api.LeakAnswer {
	t.Helper()
	all := report(t, c, req)
	if len(all) != 1 {
		t.Fatalf("%d outcomes of one report", len(all))
	}
	return all[0]
}

func TestALeakedTokenEndsAndTheReportIsOnRecord(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	_, reporting := generate(t, c, api.GenerateRequest{Name: "scanner", Scopes: []string{"ledger:tokens:revoke"}})
	scanner := n.as(reporting)
	valid := func(secret string) bool {
		t.Helper()
		a, err := c.Validate(t.Context(), api.ValidateRequest{Token: secret})
		if err != nil {
			t.Fatal(err)
		}
		return a.Active
	}

	shop, shopSecret := generate(t, c, api.GenerateRequest{Name: "shop"})
	place := api.LeaksRequest{Token: shopSecret, Source: "commit", URL: "https://bot:pass@git.example/shop?key=" + shopSecret + "#L7", Note: "in the " + shopSecret + " file"}
	first := reportOne(t, scanner, place)
	if !first.Known || first.TokenID != shop.ID || first.Status != "revoked" || first.Action != "revoked" || first.Reason != "" || !first.Recorded {
		t.Errorf("the first report: %+v", first)
	}
	if valid(shopSecret) {
		t.Error("the leaked token is good")
	}
	record, err := c.Token(t.Context(), shop.ID)
	if err != nil || record.ReasonCode != "leaked" || record.RevokedAt == nil {
		t.Errorf("%+v, %v", record, err)
	}
	// The same place again, with another note: nothing is written.
	before := n.events()
	place.Note = "another note"
	if again := reportOne(t, scanner, place); again.Recorded || again.Action != "none" || again.Reason != "already_revoked" || again.Status != "revoked" {
		t.Errorf("the same place again: %+v", again)
	}
	if leaked, kinds := n.leaks(shop.ID); kinds != "generated leaked revoked" ||
		leaked[0].Data.URL != "https://git.example/shop?key=[token]#L7" || leaked[0].Data.Note != "in the [token] file" || leaked[0].Data.Source != "commit" ||
		!leaked[0].Data.Presented || leaked[0].Data.Action != "revoked" || leaked[0].Data.Actor.Name != "scanner" {
		t.Errorf("%s: %+v", kinds, leaked)
	}
	if after := n.events(); after != before {
		t.Errorf("the repeat made %d events", after-before)
	}
	// Another place: the report alone.
	if other := reportOne(t, scanner, api.LeaksRequest{SHA256: sha(shopSecret), Source: "paste"}); !other.Recorded || other.Action != "none" {
		t.Errorf("another place: %+v", other)
	}
	if leaked, kinds := n.leaks(shop.ID); kinds != "generated leaked revoked leaked" || leaked[1].Data.Presented || leaked[1].Data.Reason != "already_revoked" {
		t.Errorf("%s: %+v", kinds, leaked)
	}

	// By the hash, which no index has; of imported keys, which have any form; many at once.
	minted, mintedSecret := generate(t, c, api.GenerateRequest{Name: "by hash"})
	twice, twiceSecret := generate(t, c, api.GenerateRequest{Name: "in two places"})
	key, old := "sk_live/an old key of another system", "legacy-0123456789"
	n.must(200, "POST", "/v1/tokens/import", n.token, fmt.Sprintf(`{"sha256":%q,"name":"old"}`+"\n"+`{"sha256":%q,"name":"older"}`, sha(key), sha(old)))
	outcomes := report(t, scanner, api.LeaksRequest{Leaks: []api.LeakReport{
		{SHA256: strings.ToUpper(sha(mintedSecret))},
		{Token: twiceSecret, URL: "https://a.example/1"},
		{Token: twiceSecret, URL: "https://a.example/1"},
		{Token: twiceSecret, URL: "https://a.example/2"},
		{Token: key, URL: "https://a.example/?k=" + key + "&same=sk_live%2Fan+old+key+of+another+system"},
		{SHA256: sha(old)},
		{Token: fresh()},
		{Token: otherSecret(mintedSecret)},
		{SHA256: sha("nothing")},
		{Token: mintedSecret[:40]},
	}})
	want := []api.LeakAnswer{
		{Action: "revoked", Recorded: true},
		{Action: "revoked", Recorded: true},
		{Action: "none", Reason: "already_revoked"},
		{Action: "none", Reason: "already_revoked", Recorded: true},
		{Action: "revoked", Recorded: true},
		{Action: "revoked", Recorded: true},
	}
	for i, o := range outcomes {
		if i >= len(want) {
			if o != (api.LeakAnswer{}) {
				t.Errorf("report %d, of no token: %+v", i, o)
			}
			continue
		}
		w := want[i]
		w.Known, w.TokenID, w.Tenant, w.Status = true, o.TokenID, "default", "revoked"
		if o != w {
			t.Errorf("report %d: %+v, want %+v", i, o, w)
		}
	}
	for _, secret := range []string{mintedSecret, twiceSecret, key, old} {
		if valid(secret) {
			t.Errorf("a leaked token of %d bytes is good", len(secret))
		}
	}
	if _, kinds := n.leaks(minted.ID); kinds != "generated leaked revoked" {
		t.Error(kinds)
	}
	if leaked, kinds := n.leaks(twice.ID); kinds != "generated leaked revoked leaked" || leaked[1].Data.URL != "https://a.example/2" {
		t.Errorf("%s: %+v", kinds, leaked)
	}
	if imported, _ := n.leaks(outcomes[4].TokenID); len(imported) != 1 || imported[0].Data.URL != "https://a.example/?k=[token]&same=[token]" {
		t.Errorf("%+v", imported)
	}
	// The scanner's own token, beside another: both, and the scanner is out.
	_, last := generate(t, c, api.GenerateRequest{Name: "the last"})
	own := report(t, scanner, api.LeaksRequest{Leaks: []api.LeakReport{{Token: reporting}, {Token: last}}})
	if own[0].Action != "revoked" || own[1].Action != "revoked" {
		t.Errorf("%+v", own)
	}
	if _, err := scanner.ReportLeaks(t.Context(), place); err == nil {
		t.Error("a scanner whose token has leaked goes on to report")
	}
	// The story of the token tells it.
	story := n.must(200, "POST", "/v1/audit/trace", n.token, `{"token":"`+shop.ID+`"}`)
	if !bytes.Contains(story, []byte("ledger.default.leaked")) {
		t.Errorf("the story does not tell the leak: %s", story)
	}
}

// Another tenant's token is answered as one that does not exist, to the letter, and
// neither leaves a trace.
func TestLeaksOfOtherTenantsAreUnknown(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	theirs, theirSecret := generate(t, c, api.GenerateRequest{Name: "theirs", Tenant: "acme"})
	_, theirAdmin := generate(t, c, api.GenerateRequest{Name: "their admin", Tenant: "acme", Scopes: []string{"ledger:admin"}})
	_, mine := generate(t, c, api.GenerateRequest{Name: "mine", Scopes: []string{"ledger:admin"}})
	_, reader := generate(t, c, api.GenerateRequest{Name: "reader", Scopes: []string{"ledger:tokens:read", "ledger:tokens:write", "ledger:tokens:validate"}})
	key := "an imported key of theirs"
	n.must(200, "POST", "/v1/tokens/import", n.token, fmt.Sprintf(`{"sha256":%q,"name":"old","tenant":"acme"}`, sha(key)))
	before := n.events()
	for _, pair := range [][2]string{
		{`{"token":"` + theirSecret + `"}`, `{"token":"` + fresh() + `"}`},
		{`{"sha256":"` + sha(theirSecret) + `"}`, `{"sha256":"` + sha(fresh()) + `"}`},
		{`{"token":"` + key + `"}`, `{"token":"an imported key of nobody"}`},
		{`{"sha256":"` + sha(key) + `"}`, `{"sha256":"` + sha("nobody") + `"}`},
	} {
		_, header, foreign := n.ask("POST", "/v1/leaks", mine, pair[0])
		_, other, unknown := n.ask("POST", "/v1/leaks", mine, pair[1])
		if string(foreign) != "{\"leaks\":[{\"known\":false}]}\n" || !bytes.Equal(foreign, unknown) || len(header) != len(other) {
			t.Errorf("theirs: %s nobody's: %s", foreign, unknown)
		}
	}
	for _, tc := range []struct {
		name, token, body string
		status            int
		code              string
	}{
		{"no token", "", `{"token":"x"}`, 401, "no_token"},
		{"the leaked token itself, which may nothing", theirSecret, `{"token":"` + theirSecret + `"}`, 403, "permission_missing"},
		{"no permission", reader, `{"token":"x"}`, 403, "permission_missing"},
		{"nothing", mine, `{}`, 400, "leaks_invalid"},
		{"both", mine, `{"token":"x","sha256":"` + sha("x") + `"}`, 400, "leaks_invalid"},
		{"both in one of several", mine, `{"leaks":[{"token":"x","sha256":"` + sha("x") + `"}]}`, 400, "leaks_invalid"},
		{"no reports", mine, `{"leaks":[]}`, 400, "leaks_invalid"},
		{"one and several", mine, `{"token":"x","leaks":[{"token":"x"}]}`, 400, "leaks_invalid"},
		{"too many", mine, `{"leaks":[` + strings.Repeat(`{"token":"x"},`, 100) + `{"token":"x"}]}`, 400, "leaks_invalid"},
		{"a hash that is none", mine, `{"sha256":"abc"}`, 400, "sha256_invalid"},
		{"a token for a hash", mine, `{"sha256":"` + theirSecret + `"}`, 400, "sha256_invalid"},
		{"a token for a field", mine, `{"` + theirSecret + `":1}`, 400, "body_invalid"},
		{"too large", mine, `{"token":"` + strings.Repeat("x", 200<<10) + `"}`, 413, "body_too_large"},
	} {
		status, _, body := n.ask("POST", "/v1/leaks", tc.token, tc.body)
		if p := decoded[api.Problem](t, body); status != tc.status || p.Code != tc.code {
			t.Errorf("%s: %d %s", tc.name, status, body)
		}
		if bytes.Contains(body, []byte(theirSecret[30:])) {
			t.Errorf("%s: the answer repeats the token: %s", tc.name, body)
		}
	}
	if after := n.events(); after != before {
		t.Errorf("%d events came of reports that concern nobody", after-before)
	}
	if _, kinds := n.leaks(theirs.ID); kinds != "generated" {
		t.Error(kinds)
	}
	// Their own admin, and root, reach it.
	if o := reportOne(t, n.as(theirAdmin), api.LeaksRequest{SHA256: sha(key)}); o.Action != "revoked" || o.Tenant != "acme" {
		t.Errorf("%+v", o)
	}
	if o := reportOne(t, c, api.LeaksRequest{SHA256: sha(theirSecret)}); o.Action != "revoked" || o.Tenant != "acme" {
		t.Errorf("%+v", o)
	}
}

func TestTheLastRootTokenIsNotSilentlyLeft(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	root := n.rootID()
	c := n.client()
	_, reporting := generate(t, c, api.GenerateRequest{Name: "scanner", Scopes: []string{"ledger:tokens:revoke"}})
	scanner := n.as(reporting)
	for range 2 {
		o := reportOne(t, scanner, api.LeaksRequest{Token: n.token, URL: "https://a.example"})
		if !o.Known || o.Status != "active" || o.Action != "none" || o.Reason != "last_root" || !strings.Contains(o.Detail, "NOT revoked") {
			t.Errorf("%+v", o)
		}
	}
	if leaked, kinds := n.leaks(root); kinds != "generated leaked" || leaked[0].Data.Reason != "last_root" {
		t.Errorf("%s: %+v", kinds, leaked)
	}
	if log := n.log.String(); strings.Count(log, "level=ERROR") != 2 || !strings.Contains(log, "IS STILL GOOD") {
		t.Errorf("the log does not say it:\n%s", tail(log, 2000))
	}
	// With another one, the same report ends it. Two that leak together do not end as
	// each other's substitutes.
	second, secondSecret := generate(t, c, api.GenerateRequest{Name: "second", Scopes: []string{"ledger:root"}})
	if o := reportOne(t, scanner, api.LeaksRequest{SHA256: sha(secondSecret)}); o.Reason != "token_above_caller" || o.Status != "active" {
		t.Errorf("by its hash, from below: %+v", o)
	}
	both := report(t, scanner, api.LeaksRequest{Leaks: []api.LeakReport{{Token: n.token, URL: "https://a.example"}, {Token: secondSecret}}})
	if both[0].Action != "revoked" || both[0].Recorded || both[1].Reason != "last_root" || both[1].Status != "active" {
		t.Errorf("%+v", both)
	}
	n.token = secondSecret
	if _, kinds := n.leaks(root); kinds != "generated leaked revoked" {
		t.Error(kinds)
	}
	if record, err := n.client().Token(t.Context(), second.ID); err != nil || record.Status != "active" {
		t.Errorf("%+v, %v", record, err)
	}
}

func TestLeakPolicies(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--policy-leaked", "suspend")
	n.start()
	c := n.client()
	tok, secret := generate(t, c, api.GenerateRequest{Name: "shop"})
	place := api.LeaksRequest{Token: secret, URL: "https://a.example/1"}
	if o := reportOne(t, c, place); o.Status != "suspended" || o.Action != "suspended" {
		t.Errorf("%+v", o)
	}
	if o := reportOne(t, c, place); o.Status != "suspended" || o.Reason != "already_suspended" || o.Recorded {
		t.Errorf("%+v", o)
	}
	if _, err := c.Resume(t.Context(), tok.ID, api.SuspendRequest{Reason: "a false alarm"}); err != nil {
		t.Fatal(err)
	}
	// Whoever resumed it has judged the report of this place; another place counts.
	if o := reportOne(t, c, place); o.Status != "active" || o.Reason != "resumed" {
		t.Errorf("%+v", o)
	}
	place.URL = "https://a.example/2"
	if o := reportOne(t, c, place); o.Status != "suspended" || o.Action != "suspended" {
		t.Errorf("%+v", o)
	}
	if _, kinds := n.leaks(tok.ID); kinds != "generated leaked suspended resumed leaked suspended" {
		t.Error(kinds)
	}

	n.stop()
	n.args = []string{"--policy-leaked", "report"}
	n.start()
	c = n.client()
	tok, secret = generate(t, c, api.GenerateRequest{Name: "till"})
	place = api.LeaksRequest{Token: secret, URL: "https://a.example/1"}
	for i := range 2 {
		if o := reportOne(t, c, place); o.Status != "active" || o.Reason != "policy" || o.Recorded != (i == 0) {
			t.Errorf("%+v", o)
		}
	}
	if _, kinds := n.leaks(tok.ID); kinds != "generated leaked" {
		t.Error(kinds)
	}

	// A stricter policy ends what a report on record left good.
	n.stop()
	n.args = nil
	n.start()
	if o := reportOne(t, n.client(), place); o.Status != "revoked" || o.Action != "revoked" || o.Recorded {
		t.Errorf("%+v", o)
	}
	if _, kinds := n.leaks(tok.ID); kinds != "generated leaked revoked" {
		t.Error(kinds)
	}
	n.stop()
	n.args = []string{"--policy-leaked", "ignore"}
	n.launch()
	if code := n.end(); code != 2 {
		t.Errorf("a policy that is none: exit code %d", code)
	}
}

// The same report from many callers at once is recorded once.
func TestTheSameReportAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	tok, secret := generate(t, c, api.GenerateRequest{Name: "shop"})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			o, err := c.ReportLeaks(t.Context(), api.LeaksRequest{Token: secret, URL: "https://a.example"})
			if err != nil || o.Value.Leaks[0].Status != "revoked" {
				t.Errorf("%+v, %v", o.Value, err)
			}
		})
	}
	wg.Wait()
	if _, kinds := n.leaks(tok.ID); kinds != "generated leaked revoked" {
		t.Error(kinds)
	}
}

// A report and the revocation that follows are both there after a kill -9, or neither;
// what was answered is there; and the report can be sent again.
func TestLeaksOutliveAKill(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	const each = 80
	for round := range 3 {
		c := n.client()
		type one struct{ id, secret string }
		var all []one
		for i := range each {
			tok, secret := generate(t, c, api.GenerateRequest{Name: fmt.Sprint(round, i)})
			all = append(all, one{tok.ID, secret})
		}
		var mu sync.Mutex
		answered := map[string]bool{}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := worker * 5; i+5 <= each; i += 40 {
					var req api.LeaksRequest
					for _, o := range all[i : i+5] {
						req.Leaks = append(req.Leaks, api.LeakReport{Token: o.secret, URL: "https://a.example"})
					}
					if _, err := c.ReportLeaks(t.Context(), req); err != nil {
						return
					}
					mu.Lock()
					for _, o := range all[i : i+5] {
						answered[o.id] = true
					}
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(3*(round+1)) * time.Millisecond)
		n.kill()
		wg.Wait()
		n.start()
		for _, o := range all {
			leaked, kinds := n.leaks(o.id)
			switch kinds {
			case "generated":
				if answered[o.id] {
					t.Errorf("the report of %s was answered and is not there", o.id)
				}
			case "generated leaked revoked":
			default:
				t.Errorf("%s: %s %+v", o.id, kinds, leaked)
			}
			if o := reportOne(t, n.client(), api.LeaksRequest{Token: o.secret, URL: "https://a.example"}); o.Status != "revoked" {
				t.Errorf("%+v", o)
			}
			if _, kinds := n.leaks(o.id); kinds != "generated leaked revoked" {
				t.Errorf("reported again: %s", kinds)
			}
		}
	}
}
