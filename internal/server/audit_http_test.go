package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/client/api"
)

// must gives the body of an answer of the status.
func (n *node) must(status int, method, path, token, body string) []byte {
	n.t.Helper()
	got, _, answer := n.ask(method, path, token, body)
	if got != status {
		n.t.Fatalf("%s %s: %d, wanted %d: %s", method, path, got, status, answer)
	}
	return answer
}

func decoded[T any](t *testing.T, raw []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

// readings gives the questions that were asked, as the audit log has them.
func (n *node) readings(query string) (asked []string) {
	n.t.Helper()
	page := decoded[api.AuditEvents](n.t, n.must(200, "GET", "/v1/audit/events?kind=read&limit=1000"+query, n.token, ""))
	for _, e := range page.Events {
		asked = append(asked, question(n.t, e))
	}
	return asked
}

func question(t *testing.T, e api.AuditEvent) string {
	t.Helper()
	return decoded[struct {
		Data struct{ Query string }
	}](t, e.Event).Data.Query
}

// TestAuditPermissions shows who may ask what.
func TestAuditPermissions(t *testing.T) {
	n := newNode(t)
	n.start()
	c := n.client()
	ours, _ := generate(t, c, api.GenerateRequest{Name: "ours"})
	theirs, _ := generate(t, c, api.GenerateRequest{Name: "theirs", Tenant: "acme"})
	_, reader := generate(t, c, api.GenerateRequest{Name: "reader", Scopes: []string{"ledger:tokens:read"}})
	_, auditor := generate(t, c, api.GenerateRequest{Name: "auditor", Scopes: []string{"ledger:audit:read"}})
	_, admin := generate(t, c, api.GenerateRequest{Name: "admin", Tenant: "acme", Scopes: []string{"ledger:admin"}})

	for _, path := range []string{
		"GET /v1/audit/events", "POST /v1/audit/trace", "GET /v1/audit/as-of?seq=1", "GET /v1/audit/diff?from=1&to=2",
		"GET /v1/audit/checkpoint", "GET /v1/audit/key", "GET /v1/audit/consistency?from=1", "GET /v1/audit/proofs/1", "GET /v1/audit/tile/0/000.p/1", "GET /v1/audit/tile/entries/000.p/1",
	} {
		method, path, _ := strings.Cut(path, " ")
		body := ""
		if method == "POST" {
			body = `{"token":"` + ours.ID + `"}`
		}
		n.must(401, method, path, "", body)
		n.must(403, method, path, reader, body)
		n.must(200, method, path, n.token, body)
		if strings.Contains(path, "entries") {
			refused := n.must(403, method, path, auditor, body)
			if p := decoded[api.Problem](t, refused); p.Code != "permission_missing" || !strings.Contains(p.Hint, "/v1/audit/events") {
				t.Errorf("%+v", p)
			}
			continue
		}
		n.must(200, method, path, auditor, body)
	}
	// Of another tenant: as if it were not there.
	absent := decoded[api.Problem](t, n.must(404, "GET", "/v1/audit/proofs/999999", auditor, ""))
	foreign := decoded[api.Problem](t, n.must(404, "GET", fmt.Sprintf("/v1/audit/proofs/%d", theirs.Seq), auditor, ""))
	if absent.RequestID, foreign.RequestID = "", ""; absent != foreign || foreign.Code != "event_not_found" {
		t.Errorf("%+v and %+v", absent, foreign)
	}
	n.must(404, "GET", fmt.Sprintf("/v1/audit/proofs/%d", ours.Seq), admin, "")
	n.must(200, "GET", fmt.Sprintf("/v1/audit/proofs/%d", theirs.Seq), admin, "")
	n.must(404, "POST", "/v1/audit/trace", auditor, `{"token":"`+theirs.ID+`"}`)
	n.must(404, "POST", "/v1/audit/trace", auditor, `{"token":"theirs"}`)
	n.must(200, "POST", "/v1/audit/trace", admin, `{"token":"theirs"}`)
	n.must(403, "GET", "/v1/audit/events?tenant=acme", auditor, "")
	for path, by := range map[string]struct{ ours, theirs string }{
		"/v1/audit/events?limit=1000":               {`"ledger.default.`, `"ledger.acme.`},
		"/v1/audit/as-of?time=2090-01-01T00:00:00Z": {ours.ID, theirs.ID},
		"/v1/audit/diff?from=1&to=7":                {ours.ID, theirs.ID},
	} {
		for _, ask := range []struct {
			path, token  string
			ours, theirs bool
		}{{path, auditor, true, false}, {path, n.token, true, true}, {path + "&tenant=acme", n.token, false, true}, {path, admin, false, true}} {
			answer := string(n.must(200, "GET", ask.path, ask.token, ""))
			if strings.Contains(answer, by.ours) != ask.ours || strings.Contains(answer, by.theirs) != ask.theirs {
				t.Errorf("%+v: %s", ask, answer)
			}
		}
	}
}

// TestAuditReadings shows what is recorded of a reading, and in which tenant.
func TestAuditReadings(t *testing.T) {
	n := newNode(t)
	n.start()
	c := n.client()
	made, leaked := generate(t, c, api.GenerateRequest{Name: "shop checkout", Tenant: "acme"})
	wrong := otherSecret(leaked)
	auditor, asAuditor := generate(t, c, api.GenerateRequest{Name: "auditor", Scopes: []string{"ledger:audit:read"}})

	n.must(200, "GET", "/v1/audit/checkpoint", asAuditor, "")
	n.must(200, "GET", "/v1/audit/key", asAuditor, "")
	n.must(200, "GET", "/v1/audit/consistency?from=1", asAuditor, "")
	n.must(200, "GET", "/v1/audit/tile/0/000.p/2", asAuditor, "")
	n.must(400, "GET", "/v1/audit/events?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", asAuditor, "")
	if got := n.readings(""); len(got) != 0 {
		t.Errorf("what gives no event is recorded: %q", got)
	}
	n.must(200, "GET", "/v1/audit/events?kind=revoked&site=a+b&since=2026-01-01T01:00:00%2B01:00&ip=::ffff:192.0.2.7", asAuditor, "")
	n.must(200, "GET", "/v1/audit/as-of?time=2090-01-01T00:00:00Z&site=shop.example", n.token, "")
	n.must(200, "GET", "/v1/audit/diff?from=1&to=2090-01-01T00:00:00Z&tenant=acme", n.token, "")
	n.must(200, "GET", "/v1/audit/diff?from=0&to=2", n.token, "")
	n.must(200, "POST", "/v1/audit/trace", n.token, `{"token":"shop checkout"}`)
	n.must(200, "POST", "/v1/audit/trace", n.token, `{"secret":"`+leaked+`"}`)
	n.must(404, "POST", "/v1/audit/trace", n.token, `{"secret":"`+wrong+`"}`)
	n.must(404, "POST", "/v1/audit/trace", asAuditor, `{"secret":"`+leaked+`"}`)
	n.must(404, "POST", "/v1/audit/trace", asAuditor, `{"token":"no such name"}`)
	n.must(200, "GET", fmt.Sprintf("/v1/audit/proofs/%d", made.Seq), n.token, "")
	n.must(404, "GET", fmt.Sprintf("/v1/audit/proofs/%d", made.Seq), asAuditor, "")
	for range 3 { // one event a minute for a caller
		n.must(200, "GET", "/v1/audit/tile/entries/000.p/2", n.token, "")
	}

	page := decoded[api.AuditEvents](t, n.must(200, "GET", "/v1/audit/events?kind=read&limit=1000", n.token, ""))
	want := []struct{ tenant, actor, query string }{
		{"default", "root", "events kind=read tenant=* limit=1000"}, // of n.readings above
		{"default", "auditor", `events site="a b" ip=192.0.2.7 kind=revoked since=2026-01-01T00:00:00Z limit=100`},
		{"default", "root", "as-of time=2090-01-01T00:00:00Z site=shop.example tenant=* limit=100"},
		{"acme", "root", "diff from=1 to=2090-01-01T00:00:00Z tenant=acme limit=100"},
		{"default", "root", "diff from=1970-01-01T00:00:00Z to=2 tenant=* limit=100"},
		{"acme", "root", "trace token=" + made.ID + " tenant=*"},
		{"acme", "root", "trace token=" + made.ID + " by its secret tenant=*"},
		{"default", "root", "trace token=" + made.ID + " by a wrong secret tenant=*"},
		{"default", "auditor", "trace secret of no token here"},
		{"default", "auditor", `trace name="no such name"`},
		{"acme", "root", fmt.Sprintf("proof seq=%d", made.Seq)},
		{"default", "auditor", fmt.Sprintf("proof seq=%d", made.Seq)},
		{"default", "root", "entries from=0 to=1 others_for=60s"},
	}
	for i, e := range page.Events {
		got := decoded[struct {
			Tenant string
			Data   struct {
				Query  string
				Actor  struct{ Name, ID string }
				Origin struct {
					IP        string
					RequestID string `json:"request_id"`
				}
			}
		}](t, e.Event)
		if i >= len(want) {
			t.Errorf("too many: %s", e.Event)
			continue
		}
		if w := want[i]; got.Tenant != w.tenant || got.Data.Actor.Name != w.actor || got.Data.Query != w.query {
			t.Errorf("%d is %s of %s in %s, wanted %+v", i, got.Data.Query, got.Data.Actor.Name, got.Tenant, w)
		}
		if got.Data.Origin.IP != "127.0.0.1" || got.Data.Origin.RequestID == "" || got.Data.Actor.Name == "auditor" && got.Data.Actor.ID != auditor.ID {
			t.Errorf("%d does not say by whom and from where: %s", i, e.Event)
		}
		if !strings.HasSuffix(e.Subject, "."+"read") {
			t.Errorf("the subject is %s", e.Subject)
		}
	}
	if len(page.Events) != len(want) {
		t.Errorf("%d readings, wanted %d", len(page.Events), len(want))
	}
	// Who looked at a token is found by the token.
	page = decoded[api.AuditEvents](t, n.must(200, "GET", "/v1/audit/events?kind=read&token="+made.ID, n.token, ""))
	if len(page.Events) != 3 {
		t.Errorf("%d readings about the token", len(page.Events))
	}
}

// TestAuditPagesEnd shows that paging through everything, a page an event, comes to its
// end although every page makes an event.
func TestAuditPagesEnd(t *testing.T) {
	n := newNode(t, "--usage-window", "10ms")
	n.start()
	generate(t, n.client(), api.GenerateRequest{Name: "one"})
	var seqs []uint64
	first := uint64(0)
	for cursor := ""; ; {
		page := decoded[api.AuditEvents](t, n.must(200, "GET", "/v1/audit/events?limit=1&cursor="+cursor, n.token, ""))
		if first == 0 {
			first = page.Seq
		}
		if page.Seq != first {
			t.Fatalf("a later page takes in %d, the first %d", page.Seq, first)
		}
		for _, e := range page.Events {
			seqs = append(seqs, e.Seq)
			if e.LeafIndex != e.Seq-1 {
				t.Errorf("%+v", e)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if uint64(len(seqs)) != first {
		t.Errorf("%d events of %d: %v", len(seqs), first, seqs)
	}
	// What has come since.
	page := decoded[api.AuditEvents](t, n.must(200, "GET", fmt.Sprintf("/v1/audit/events?limit=1000&cursor=%d", first), n.token, ""))
	if len(page.Events) < len(seqs) || page.Events[0].Seq != first+1 {
		t.Errorf("%d events since, from %v on", len(page.Events), page.Events)
	}
}

// bearing sends a token with each request.
type bearing struct{ token string }

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

// TestTheAuditLogProvesItselfOverHTTP verifies a running node's log with the key that is
// in its first event and nothing but an independent implementation.
func TestTheAuditLogProvesItselfOverHTTP(t *testing.T) {
	n := newNode(t)
	n.start()
	c := n.client()
	for i := range 300 {
		if i%50 == 0 {
			generate(t, c, api.GenerateRequest{Name: fmt.Sprintf("token %d", i)})
		}
		if _, err := c.Validate(t.Context(), api.ValidateRequest{Token: fmt.Sprint("x", i), UserAgent: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the log has more than a tile", func(context.Context) bool {
		size, err := strconv.Atoi(strings.Split(string(n.must(200, "GET", "/v1/audit/checkpoint", n.token, "")), "\n")[1])
		return err == nil && size > 260
	})
	first := decoded[api.AuditEvents](t, n.must(200, "GET", "/v1/audit/events?limit=3&proof=true", n.token, ""))
	created := decoded[struct {
		Data struct {
			PublicKey string `json:"public_key"`
		}
	}](t, first.Events[0].Event)
	key, err := note.NewVerifier(created.Data.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(n.must(200, "GET", "/v1/audit/key", n.token, "")); got != created.Data.PublicKey+"\n" {
		t.Errorf("the key is %q", got)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(key.Name()), torchwood.SingleVerifierPolicy(key))

	// Proofs: one by one, and with the rows.
	for _, e := range first.Events {
		single := n.must(200, "GET", fmt.Sprintf("/v1/audit/proofs/%d", e.Seq), n.token, "")
		for _, proof := range [][]byte{single, []byte(e.Proof)} {
			leaf, err := torchwood.ProofExtraData(proof)
			if err != nil {
				t.Fatal(err)
			}
			if err := torchwood.VerifyProof(policy, tlog.RecordHash(leaf), proof); err != nil {
				t.Errorf("the proof of %d: %v", e.Seq, err)
			}
			if l, err := layout.ParseLeaf(leaf); err != nil || l.Seq != e.Seq || !bytes.Equal(l.Event, e.Event) {
				t.Errorf("the leaf of %d is %s: %v", e.Seq, leaf, err)
			}
		}
	}
	// A proof of what was written a moment ago.
	made, _ := generate(t, c, api.GenerateRequest{Name: "a moment ago"})
	n.must(200, "GET", fmt.Sprintf("/v1/audit/proofs/%d", made.Seq), n.token, "")

	// That the log begins with what it was.
	older, _, err := torchwood.VerifyCheckpoint(n.must(200, "GET", "/v1/audit/checkpoint", n.token, ""), policy)
	if err != nil {
		t.Fatal(err)
	}
	generate(t, c, api.GenerateRequest{Name: "since then"})
	grown := decoded[api.Consistency](t, n.must(200, "GET", fmt.Sprintf("/v1/audit/consistency?from=%d", older.N), n.token, ""))
	newer, _, err := torchwood.VerifyCheckpoint([]byte(grown.Checkpoint), policy)
	if err != nil || newer.N <= older.N || grown.From != uint64(older.N) || grown.To != uint64(newer.N) ||
		!bytes.Equal(grown.FromRoot, older.Hash[:]) || !bytes.Equal(grown.ToRoot, newer.Hash[:]) {
		t.Fatalf("%+v from %+v to %+v: %v", grown, older, newer, err)
	}
	if err := tlog.CheckTree(treeProof(grown.Proof), newer.N, newer.Hash, older.N, older.Hash); err != nil {
		t.Error(err)
	}
	for from := uint64(1); from <= grown.To; from += 37 {
		p, err := c.Consistency(t.Context(), from, uint64(older.N))
		if err == nil {
			err = tlog.CheckTree(treeProof(p.Proof), older.N, older.Hash, int64(from), tlog.Hash(p.FromRoot))
		}
		if (err == nil) != (from <= uint64(older.N)) || err == nil && p.Checkpoint != "" {
			t.Errorf("from %d to %d: %v", from, older.N, err)
		}
	}

	// All entries, through tiles.
	signed := n.must(200, "GET", "/v1/audit/checkpoint", n.token, "")
	cp, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		t.Fatal(err)
	}
	fetcher, err := torchwood.NewTileFetcher(n.url+"/v1/audit/", torchwood.WithHTTPClient(&http.Client{Transport: bearing{n.token}}), torchwood.WithUserAgent("test"))
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	entries := int64(0)
	for i, entry := range mirror.AllEntries(t.Context(), cp.Tree, 0) {
		if l, err := layout.ParseLeaf(entry); err != nil || l.Seq != uint64(i)+1 {
			t.Fatalf("entry %d is %s: %v", i, entry, err)
		}
		entries++
	}
	if err := mirror.Err(); err != nil || entries != cp.N || cp.N < 256 {
		t.Fatalf("%d entries of %d: %v", entries, cp.N, err)
	}
	if got := n.readings("&actor=root"); len(got) == 0 || got[len(got)-1] != "entries from=0 to=255 others_for=60s" && got[len(got)-1] != fmt.Sprintf("entries from=256 to=%d others_for=60s", cp.N-1) {
		t.Errorf("the mirror's reading: %q", got)
	}

	for path, cache := range map[string]string{
		"/v1/audit/tile/0/000": "private, max-age=31536000, immutable", "/v1/audit/tile/0/000.p/7": "no-store", "/v1/audit/tile/entries/000": "no-store",
	} {
		_, header, _ := n.ask("GET", path, n.token, "")
		if header.Get("Cache-Control") != cache || header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %v", path, header)
		}
	}
	for _, path := range []string{"0/999", "0/x", "", "entries/000.p/0", "0/000.p/256", "9/000", "data/000", "entries/x001"} {
		if status, _, answer := n.ask("GET", "/v1/audit/tile/"+path, n.token, ""); status != 404 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for _, seq := range []string{"0", "-1", "x", "99999999", "18446744073709551615", "1e3"} {
		n.must(404, "GET", "/v1/audit/proofs/"+seq, n.token, "")
	}
}

func treeProof(hashes [][]byte) (p tlog.TreeProof) {
	for _, h := range hashes {
		p = append(p, tlog.Hash(h))
	}
	return p
}

// TestAuditBadRequests shows that each is refused with its status and code.
func TestAuditBadRequests(t *testing.T) {
	n := newNode(t)
	n.start()
	c := n.client()
	_, secret := generate(t, c, api.GenerateRequest{Name: "twin"})
	generate(t, c, api.GenerateRequest{Name: "twin"})
	before := len(n.readings(""))
	for _, tc := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/v1/audit/events?kind=Revoked!", "", 400, "filter_invalid"},
		{"GET", "/v1/audit/events?token=nope", "", 400, "filter_invalid"},
		{"GET", "/v1/audit/events?token=" + secret, "", 400, "token_in_url"},
		{"GET", "/v1/audit/events?actor=" + secret, "", 400, "token_in_url"},
		{"GET", "/v1/audit/events?ip=localhost", "", 400, "filter_invalid"},
		{"GET", "/v1/audit/events?ip=fe80::1%25eth0", "", 400, "filter_invalid"},
		{"GET", "/v1/audit/events?since=yesterday", "", 400, "time_invalid"},
		{"GET", "/v1/audit/events?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "", 400, "time_invalid"},
		{"GET", "/v1/audit/events?cursor=x", "", 400, "cursor_invalid"},
		{"GET", "/v1/audit/events?cursor=1.", "", 400, "cursor_invalid"},
		{"GET", "/v1/audit/events?limit=1001", "", 400, "limit_invalid"},
		{"GET", "/v1/audit/events?proof=yes", "", 400, "query_invalid"},
		{"GET", "/v1/audit/events?who=me", "", 400, "parameter_unknown"},
		{"GET", "/v1/audit/events?tenant=NO", "", 400, "tenant_invalid"},
		{"GET", "/v1/audit/as-of", "", 400, "time_invalid"},
		{"GET", "/v1/audit/as-of?time=2026-01-01T00:00:00Z&seq=1", "", 400, "time_invalid"},
		{"GET", "/v1/audit/as-of?seq=0", "", 400, "time_invalid"},
		{"GET", "/v1/audit/as-of?seq=99999", "", 400, "time_invalid"},
		{"GET", "/v1/audit/as-of?seq=1&status=good", "", 400, "filter_invalid"},
		{"GET", "/v1/audit/as-of?seq=1&cursor=x", "", 400, "cursor_invalid"},
		{"GET", "/v1/audit/diff?from=1", "", 400, "time_invalid"},
		{"GET", "/v1/audit/diff?from=1&to=0", "", 400, "time_invalid"},
		{"GET", "/v1/audit/as-of?time=0", "", 400, "time_invalid"},
		{"GET", "/v1/audit/diff?from=2&to=1", "", 400, "time_invalid"},
		{"GET", "/v1/audit/diff?from=soon&to=1", "", 400, "time_invalid"},
		{"GET", "/v1/audit/consistency", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=0", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=x", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=-1", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=99999", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=18446744073709551615", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=2&to=1", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=1&to=0", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=1&to=99999", "", 400, "size_invalid"},
		{"GET", "/v1/audit/consistency?from=1&to=", "", 400, "query_invalid"},
		{"GET", "/v1/audit/consistency?from=1&size=2", "", 400, "parameter_unknown"},
		{"POST", "/v1/audit/trace", ``, 400, "body_invalid"},
		{"POST", "/v1/audit/trace", `{}`, 400, "trace_invalid"},
		{"POST", "/v1/audit/trace", `{"token":"a","secret":"b"}`, 400, "trace_invalid"},
		{"POST", "/v1/audit/trace", `{"token":"` + secret + `"}`, 400, "trace_invalid"},
		{"POST", "/v1/audit/trace", `{"token":"twin"}`, 409, "name_ambiguous"},
		{"POST", "/v1/audit/trace", `{"token":"Twin"}`, 404, "token_not_found"},
		{"POST", "/v1/audit/trace", `{"token":"01JDA0V6Q3Y8N5K2M7R4T1W9XZ"}`, 404, "token_not_found"},
		{"POST", "/v1/audit/trace", `{"secret":"` + otherSecret(secret) + `"}`, 404, "token_not_found"},
	} {
		answer := n.must(tc.status, tc.method, tc.path, n.token, tc.body)
		if p := decoded[api.Problem](t, answer); p.Code != tc.code || p.Hint == "" {
			t.Errorf("%s %s %s: %+v", tc.method, tc.path, tc.body, p)
		}
		if bytes.Contains(answer, []byte(secret[30:])) {
			t.Errorf("%s: the answer repeats the secret: %s", tc.path, answer)
		}
	}
	// What to do about it is to the point, and the same whoever notices.
	for path, hint := range map[string]string{
		"consistency?from=":     "give it one",
		"diff?from=1&to=":       "give it one",
		"events?limit=":         "give it one, or leave limit out",
		"events?site=":          "give it one, or leave site out; an empty filter would list everything",
		"consistency?from=x":    wrongSizes,
		"consistency?from=0":    wrongSizes,
		"consistency":           wrongSizes,
		"consistency?from=9999": wrongSizes,
	} {
		if p := decoded[api.Problem](t, n.must(400, "GET", "/v1/audit/"+path, n.token, "")); p.Hint != hint {
			t.Errorf("%s: %q", path, p.Hint)
		}
	}
	// What was refused was not read. (4 traces were questions, and the first readings.)
	if got := n.readings(""); len(got) != before+1+4 {
		t.Errorf("%d readings, and %d before: %q", len(got), before, got)
	}
}

const wrongSizes = "give numbers of entries from 1 on, such as stand in the second line of a checkpoint: from is the smaller one, and to can be left out"

// TestNoAuditAnswerWithoutItsRecord shows that a question is not answered when it cannot
// be recorded.
func TestNoAuditAnswerWithoutItsRecord(t *testing.T) {
	x := newExternal(t)
	n := newNode(t, "--nats-url", x.url(), "--max-staleness", "10m")
	n.start()
	made, _ := generate(t, n.client(), api.GenerateRequest{Name: "one"})
	n.must(200, "GET", "/v1/audit/events", n.token, "")
	x.stop()
	for _, path := range []string{
		"GET /v1/audit/events", "POST /v1/audit/trace", "GET /v1/audit/as-of?seq=1", "GET /v1/audit/diff?from=1&to=3",
		fmt.Sprintf("GET /v1/audit/proofs/%d", made.Seq), "GET /v1/audit/tile/entries/000.p/2",
	} {
		method, path, _ := strings.Cut(path, " ")
		body := ""
		if method == "POST" {
			body = `{"token":"` + made.ID + `"}`
		}
		answer := n.must(503, method, path, n.token, body)
		if p := decoded[api.Problem](t, answer); p.Code != "read_not_recorded" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	n.must(200, "GET", "/v1/audit/checkpoint", n.token, "") // which holds no event
}
