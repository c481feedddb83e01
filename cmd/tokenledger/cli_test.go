package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tokenledger/tokenledger/client/api"
)

const (
	ownToken = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAV_0123456789abcdefghijABCDEFGHIJ012345678"
	newToken = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAW_876543210JIHGFEDCBAjihgfedcba9876543210"
	idA      = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	idB      = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
)

// outcome is what a run of the program left.
type outcome struct {
	stdout, stderr string
	code           int
}

// run runs the program in this process against a server that answers with h.
func run(t *testing.T, h http.HandlerFunc, stdin string, args ...string) outcome {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	var out, errOut bytes.Buffer
	env := map[string]string{"TOKENLEDGER_URL": server.URL, "TOKENLEDGER_TOKEN": ownToken}
	m := &Main{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errOut,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	code := m.Run(t.Context(), args)
	if strings.Contains(out.String()+errOut.String(), ownToken[30:]) {
		t.Errorf("the caller's own token shows:\n%s%s", &out, &errOut)
	}
	return outcome{out.String(), errOut.String(), code}
}

func nobody(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "nobody was to be asked", http.StatusTeapot)
}

func answer(status int, v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if status >= 300 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
}

func (o outcome) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if o.code != code || o.stdout != stdout || o.stderr != stderr {
		t.Errorf("exit code %d, want %d\nstandard output:\n%s\nwant:\n%s\nstandard error:\n%s\nwant:\n%s", o.code, code, o.stdout, stdout, o.stderr, stderr)
	}
}

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sample() api.Token {
	ends := created.AddDate(0, 3, 0)
	return api.Token{
		ID: idB, Tenant: "default", Name: "shop checkout", Site: "shop.example", Scopes: []string{"orders:read"},
		Status: "active", CreatedAt: created, CreatedBy: idA, ExpiresAt: &ends, Metadata: map[string]string{"team": "web"}, Seq: 7,
	}
}

const sampleRecord = `id         01ARZ3NDEKTSV4RRFFQ69G5FAW
name       shop checkout
tenant     default
site       shop.example
scopes     orders:read
status     active
created    2026-03-01T12:00:00Z by 01ARZ3NDEKTSV4RRFFQ69G5FAV
expires    2026-06-01T12:00:00Z
uses       0
meta team  web
sequence   7
`

func TestEveryVerbHasAnExample(t *testing.T) {
	parser, err := kong.New(&commandLine{})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range parser.Model.Leaves(false) {
		if !strings.Contains(verb.Detail, "Example:\n\n    ") {
			t.Errorf("%s has no example in its help", verb.Path())
		}
	}
}

func TestGenerateSendsWhatItWasGiven(t *testing.T) {
	var got api.GenerateRequest
	var key string
	o := run(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&got)
		key = r.Header.Get("Idempotency-Key")
		answer(201, api.Generated{Secret: newToken, Token: sample()})(w, r)
	}, "", "token", "generate", "shop checkout", "--site", "shop.example", "--owner=ops", "--scope", "a", "--scope", "b,c", "--role", "validator",
		"--ttl", "90d", "--not-before", "2026-03-01T01:00:00+01:00", "--allow-cidr", "192.0.2.0/24", "--meta", "k=v;w=x", "--meta", "l=m", "--idempotency-key", "once")
	want := `{shop checkout shop.example ops [a b,c] validator  90d <nil> 2026-03-01 00:00:00 +0000 UTC [192.0.2.0/24] map[k:v;w=x l:m]}`
	if s := fmt.Sprint(got); s != want || key != "once" {
		t.Errorf("sent %s with key %q; want %s", s, key, want)
	}
	o.want(t, 0, "Generated token "+idB+".\n\nSecret, shown this once and stored nowhere; keep it now:\n\n    "+newToken+"\n\n"+sampleRecord, "")
}

func TestGenerateForPrograms(t *testing.T) {
	made := api.Generated{Secret: newToken, Token: sample()}
	o := run(t, answer(201, made), "", "token", "generate", "x", "--json")
	doc, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	o.want(t, 0, string(doc)+"\n", "")
}

func TestASecretGoesIntoAFileOfItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	o := run(t, answer(201, api.Generated{Secret: newToken, Token: sample()}), "", "token", "rotate", idA, "--secret-file", file)
	o.want(t, 0, "Generated token "+idB+" in the place of "+idA+".\n\nSecret: the secret is in "+file+"\n\n"+sampleRecord, "")
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has %v, %v", info.Mode(), err)
	}
	if b, _ := os.ReadFile(file); string(b) != newToken+"\n" {
		t.Error("the file does not hold the secret")
	}

	// A repeat has no secret: nothing is left that looks like one was written.
	file += "2"
	o = run(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Idempotency-Replayed", "true")
		answer(201, api.Generated{Token: sample(), Note: "it was in the first answer"})(w, r)
	}, "", "token", "generate", "x", "--secret-file", file, "--idempotency-key", "k")
	if _, err := os.Stat(file); err == nil || o.code != 1 || !strings.Contains(o.stderr, "it was in the first answer") {
		t.Errorf("a repeat gave %+v and the file %v", o, err)
	}
}

func TestListIsPagedForPeopleAndPrograms(t *testing.T) {
	used := created.Add(time.Hour)
	second := api.Token{ID: idA, Name: "ci", Scopes: []string{"a", "b", "c", "d", "e"}, Status: "suspended", LastUsedAt: &used}
	var asked []string
	node := func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		page := api.TokenList{Tokens: []api.Token{sample()}, NextCursor: "p2"}
		if r.URL.Query().Get("cursor") == "p2" {
			page = api.TokenList{Tokens: []api.Token{second}}
		}
		answer(200, page)(w, r)
	}
	const head = "ID                          NAME           SITE          OWNER  STATUS  SCOPES       LAST USED  ENDS\n"
	const row = idB + "  shop checkout  shop.example  -      active  orders:read  never      2026-06-01T12:00:00Z\n"
	run(t, node, "", "token", "list", "--site", "shop.example", "--unused-since", "2026-01-01T00:00:00Z").
		want(t, 0, head+row, "there are more: --cursor p2, or --all\n")
	if asked[0] != "site=shop.example&unused_since=2026-01-01T00%3A00%3A00Z" {
		t.Errorf("asked %q", asked[0])
	}
	o := run(t, node, "", "token", "list", "--all")
	if !strings.Contains(o.stdout, idA+"  ci    -     -      suspended  a,b,c,+2  2026-03-01T13:00:00Z  never\n") || o.stderr != "" {
		t.Errorf("all: %+v", o)
	}
	o = run(t, node, "", "token", "list", "--all", "--json")
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if len(lines) != 2 || o.code != 0 {
		t.Fatalf("all as JSON: %+v", o)
	}
	for _, line := range lines {
		var token api.Token
		if err := json.Unmarshal([]byte(line), &token); err != nil || token.ID == "" {
			t.Errorf("the line %s is no token: %v", line, err)
		}
	}
	run(t, answer(200, api.TokenList{}), "", "token", "list").want(t, 0, "", "no tokens\n")
}

func TestNamesOfOthersCannotActOnTheTerminal(t *testing.T) {
	bad := sample()
	bad.Name = "\x1b[2Jx\ty\u009b31m\u202eevil\u2028z\r\n"
	const want = `\x1b[2Jx\ty\u009b31m\u202eevil\u2028z\r\n`
	for _, args := range [][]string{{"token", "show", idB}, {"token", "suspend", idB}, {"token", "revoke", idB}} {
		o := run(t, answer(200, bad), "", args...)
		if strings.ContainsAny(o.stdout, "\x1b\u009b\u202e\u2028\r\t") || !strings.Contains(o.stdout, want) {
			t.Errorf("%v prints %q", args, o.stdout)
		}
	}
	o := run(t, answer(400, api.Problem{Status: 400, Detail: "no\x1b[2J", Hint: "a\x1b[0m\nb"}), "", "token", "show", idB)
	o.want(t, 1, "", "tokenledger: cannot show "+idB+": no\\x1b[2J\n  hint: a\\x1b[0m\\nb\n")

	doc, err := json.Marshal(bad.Name + "\U000e0001")
	if err != nil {
		t.Fatal(err)
	}
	var back string
	cleaned := cleanJSON(doc)
	if err := json.Unmarshal(cleaned, &back); err != nil || back != bad.Name+"\U000e0001" || bytes.ContainsAny(cleaned, "\u009b\u202e\U000e0001") {
		t.Errorf("JSON for a terminal is %q, which means %q, %v", cleaned, back, err)
	}
}

func TestErrorsTellWhatWhyAndWhatToDo(t *testing.T) {
	p := api.Problem{Status: 403, Code: "forbidden", Detail: "the token lacks ledger:tokens:revoke; nothing was changed", Hint: "ask an admin", RequestID: "r-1"}
	run(t, answer(403, p), "", "token", "revoke", idA, "--json").want(t, 3, "",
		"tokenledger: cannot revoke "+idA+": the token lacks ledger:tokens:revoke; nothing was changed\n  hint: ask an admin\n  403 forbidden, request r-1\n")
}

func TestTheStatusOfTheAnswerDecidesTheExitCode(t *testing.T) {
	for status, want := range map[int]int{400: 1, 401: 3, 403: 3, 404: 1, 409: 1, 422: 1, 429: 5, 500: 1, 502: 5, 503: 5, 504: 5} {
		if o := run(t, answer(status, api.Problem{Status: status, Detail: "d"}), "", "projection", "status"); o.code != want || o.stdout != "" {
			t.Errorf("status %d gave %+v; want exit code %d", status, o, want)
		}
	}
}

func TestHistoryShowsKnownAndUnknownEvents(t *testing.T) {
	const raw = `{"type":"tokenledger.token.revoked.v1","time":"2026-03-01T12:00:00Z","data":{"token_id":"x","actor":{"type":"token","id":"` + idA + `","name":"root"},"origin":{"ip":"192.0.2.1"},"reason":"<posted> & seen","reason_code":"leaked"}}`
	node := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"events":[{"seq":3,"received":"2026-03-01T12:00:01Z","subject":"ledger.default.revoked","event":%s},
			{"seq":4,"received":"2026-03-01T12:00:02Z","subject":"ledger.default.blessed","event":{"by":1}}]}`, raw)
	}
	run(t, node, "", "token", "history", idB).want(t, 0, ""+
		"SEQ  TIME                  WHAT     WHO   FROM       DETAILS\n"+
		"3    2026-03-01T12:00:00Z  revoked  root  192.0.2.1  reason=\"<posted> & seen\" reason_code=leaked\n"+
		"4    2026-03-01T12:00:02Z  blessed  -     -          -\n", "")
	o := run(t, node, "", "token", "history", idB, "--json")
	if lines := strings.Split(o.stdout, "\n"); len(lines) != 3 || !strings.HasSuffix(lines[0], `"event":`+raw+"}") {
		t.Errorf("as JSON: %s", o.stdout)
	}
}

func TestImportReportsEachLine(t *testing.T) {
	const lines = "{\"sha256\":\"00\",\"name\":\"a\"}\n{}\n"
	node := func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) != lines {
			t.Errorf("sent %q", b)
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintln(w, `{"line":1,"status":"imported","id":"`+idA+`"}`)
		fmt.Fprintln(w, `{"line":2,"status":"failed","code":"invalid","error":"no sha256"}`)
	}
	run(t, node, lines, "token", "import", "-").want(t, 1,
		"line 2 failed: no sha256 (invalid)\n1 key imported, 0 known already, 1 failed.\n",
		"tokenledger: 1 line failed; the others stand\n")
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := run(t, node, "", "token", "import", file, "--json"); strings.Count(o.stdout, "\n") != 2 || o.code != 1 {
		t.Errorf("as JSON: %+v", o)
	}
}

func TestUpdateSendsWhatChangesAlone(t *testing.T) {
	for want, args := range map[string][]string{
		`{"owner":""}`:                        {"--owner="},
		`{"name":"n","metadata":{"k":"v=w"}}`: {"--name", "n", "--meta", "k=v=w"},
		`{"metadata":{}}`:                     {"--clear-meta"},
	} {
		var got string
		o := run(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got = string(b)
			answer(200, sample())(w, r)
		}, "", append([]string{"token", "update", idB}, args...)...)
		if got != want || o.code != 0 {
			t.Errorf("%v sent %s; want %s; %+v", args, got, want, o)
		}
	}
}
