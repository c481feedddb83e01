package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// gitHub signs as GitHub's secret scanning does, with a key of its own.
type gitHub struct {
	t    *testing.T
	id   string
	key  *ecdsa.PrivateKey
	file string // the key set
}

func newGitHub(t *testing.T) *gitHub {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return gitHubOf(t, key)
}

const gitHubKeyID = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"

// walkKey signs the messages of the tests that walk over the whole interface.
var walkKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// gitHubOf gives a GitHub that signs with the key.
func gitHubOf(t *testing.T, key *ecdsa.PrivateKey) *gitHub {
	t.Helper()
	g := &gitHub{t: t, id: gitHubKeyID, key: key, file: filepath.Join(t.TempDir(), "keys.json")}
	g.publish(g)
	return g
}

// publish writes the keys of others as the set that g's node reads.
func (g *gitHub) publish(others ...*gitHub) {
	g.t.Helper()
	set := map[string][]map[string]any{}
	for _, o := range others {
		der, err := x509.MarshalPKIXPublicKey(&o.key.PublicKey)
		if err != nil {
			g.t.Fatal(err)
		}
		set["public_keys"] = append(set["public_keys"], map[string]any{
			"key_identifier": o.id, "is_current": true, "key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		g.t.Fatal(err)
	}
	tmp := g.file + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(tmp, g.file); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gitHub) sign(body string) string {
	g.t.Helper()
	return signBody(g.key, body)
}

func signBody(key *ecdsa.PrivateKey, body string) string {
	sum := sha256.Sum256([]byte(body))
	raw, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func (g *gitHub) post(n *node, body string) (int, http.Header, []byte) {
	g.t.Helper()
	return n.ask("POST", "/v1/leaks/github", "", body, "Content-Type", "application/json",
		"Github-Public-Key-Identifier", g.id, "Github-Public-Key-Signature", g.sign(body))
}

func match(token, url string) string {
	return fmt.Sprintf(`{"token":%q,"type":"tokenledger_api_token","url":%q,"source":"commit"}`, token, url)
}

func TestGitHubReportsALeak(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	n := newNode(t, "--leaks-github-keys", g.file, "--log-level", "debug", "--usage-window", "10ms")
	n.start()
	c := n.client()
	mine, secret := generate(t, c, api.GenerateRequest{Name: "mine"})
	theirs, theirSecret := generate(t, c, api.GenerateRequest{Name: "theirs", Tenant: "acme"})
	forged, unknown := otherSecret(secret), fresh()

	url := "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/" + secret + ".txt"
	body := "[" + strings.Join([]string{match(secret, url), match(unknown, ""), match(theirSecret, "https://github.com/a/b"), match(forged, ""), match("", "")}, ", ") + "]"
	before := n.events()
	status, header, answer := g.post(n, body)
	if status != 200 || header.Get("Content-Type") != "application/json" || header.Get("Ledger-Seq") == "" {
		t.Fatalf("%d %v: %s", status, header, answer)
	}
	feedback := decoded[[]api.GitHubFeedback](t, answer)
	var want []api.GitHubFeedback
	for i, token := range []string{secret, unknown, theirSecret, forged, ""} {
		want = append(want, api.GitHubFeedback{TokenHash: sha(token), TokenType: "tokenledger_api_token", Label: "false_positive"})
		if i == 0 || i == 2 {
			want[i].Label = "true_positive"
		}
	}
	if fmt.Sprint(feedback) != fmt.Sprint(want) {
		t.Errorf("feedback %+v", feedback)
	}
	if after := n.events(); after != before+4 {
		t.Errorf("%d events of two leaked tokens, a report and a revocation each", after-before)
	}
	for id, token := range map[string]string{mine.ID: secret, theirs.ID: theirSecret} {
		if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: token}); err != nil || a.Reason != "revoked" {
			t.Errorf("%+v, %v", a, err)
		}
		leaked, kinds := n.leaks(id)
		if kinds != "generated leaked revoked" {
			t.Fatal(kinds)
		}
		d := leaked[0].Data
		if d.Actor.Type != "system" || d.Actor.ID != "github-secret-scanning" || d.Actor.Name != "GitHub secret scanning" || d.ReportedBy != "key "+g.id || !d.Presented ||
			d.Source != "commit" || d.SecretType != "tokenledger_api_token" || strings.Contains(d.URL, secret[30:]) {
			t.Errorf("%+v", d)
		}
	}
	// The message again, as whoever has recorded it could send it: nothing is written.
	for range 3 {
		if status, _, again := g.post(n, body); status != 200 || !bytes.Equal(again, answer) {
			t.Errorf("%d: %s", status, again)
		}
	}
	if after := n.events(); after != before+4 {
		t.Errorf("a replay made %d events", after-before-4)
	}

	// The key is replaced while the node runs.
	next := newGitHub(t)
	next.id = "another"
	g.publish(next)
	if status, _, body := g.post(n, body); status != 400 || decoded[api.Problem](t, body).Code != "leaks_github_key_unknown" {
		t.Errorf("a key that was taken out: %d %s", status, body)
	}
	if status, _, body := next.post(n, "[]"); status != 200 || strings.TrimSpace(string(body)) != "[]" {
		t.Errorf("the new key: %d %s", status, body)
	}

	n.stop()
	planted := []string{secret, theirSecret, forged, unknown}
	lookInFiles(t, n.data, planted)
	for _, s := range planted {
		if strings.Contains(n.log.String(), s[len(s)-30:]) {
			t.Error("the log has a reported token")
		}
	}
}

// Whoever is not GitHub writes nothing, however much he sends.
func TestOnlyGitHubReportsToTheOpenEndpoint(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	n := newNode(t, "--leaks-github-keys", g.file)
	n.start()
	c := n.client()
	tok, secret := generate(t, c, api.GenerateRequest{Name: "mine"})
	body := "[" + match(secret, "https://a.example") + "]"
	good := g.sign(body)
	stranger := newGitHub(t)
	before := n.events()
	const id, signature = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
	for _, tc := range []struct {
		name, body string
		headers    []string
		status     int
		code       string
	}{
		{"nothing", "", nil, 400, "leaks_github_signature_missing"},
		{"no signature", body, []string{id, g.id}, 400, "leaks_github_signature_missing"},
		{"no key", body, []string{signature, good}, 400, "leaks_github_signature_missing"},
		{"an unknown key", body, []string{id, "x", signature, good}, 400, "leaks_github_key_unknown"},
		{"a stranger's signature", body, []string{id, g.id, signature, stranger.sign(body)}, 400, "leaks_github_signature_wrong"},
		{"another body", strings.Replace(body, "commit", "gists!", 1), []string{id, g.id, signature, good}, 400, "leaks_github_signature_wrong"},
		{"spaces", body + "\n", []string{id, g.id, signature, good}, 400, "leaks_github_signature_wrong"},
		{"a token of the ledger", body, []string{"Authorization", "Bearer " + n.token}, 400, "leaks_github_signature_missing"},
		{"too large", strings.Repeat(" ", 1<<20+1), []string{id, g.id, signature, good}, 413, "leaks_github_too_large"},
		{"signed nonsense", "nonsense", []string{id, g.id, signature, g.sign("nonsense")}, 400, "leaks_github_body_invalid"},
	} {
		status, _, answer := n.ask("POST", "/v1/leaks/github", "", tc.body, tc.headers...)
		if p := decoded[api.Problem](t, answer); status != tc.status || p.Code != tc.code || p.Hint == "" {
			t.Errorf("%s: %d %s", tc.name, status, answer)
		}
		if bytes.Contains(answer, []byte(secret[30:])) {
			t.Errorf("%s: the answer repeats the token", tc.name)
		}
	}
	// A flood of unsigned messages, and of signed ones about nothing.
	var nothing []string
	for range 50 {
		nothing = append(nothing, match(fresh(), "https://a.example"))
	}
	harmless := "[" + strings.Join(nothing, ",") + "]"
	signed := g.sign(harmless)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				n.ask("POST", "/v1/leaks/github", "", body, id, g.id, signature, signed)
				n.ask("POST", "/v1/leaks/github", "", harmless, id, g.id, signature, signed)
			}
		})
	}
	for range 20 { // others are answered meanwhile
		if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: secret}); err != nil || !a.Active {
			t.Errorf("%+v, %v", a, err)
		}
	}
	wg.Wait()
	if after := n.events(); after != before {
		t.Errorf("%d events came of messages that say nothing", after-before)
	}
	if _, kinds := n.leaks(tok.ID); kinds != "generated" {
		t.Error(kinds)
	}
	if status, _, answer := g.post(n, body); status != 200 || !bytes.Contains(answer, []byte("true_positive")) {
		t.Errorf("the real one, afterwards: %d %s", status, answer)
	}
}

// Thousands of tokens in one message, some of them again and again.
func TestGitHubReportsManyTokens(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	n := newNode(t, "--leaks-github-keys", g.file)
	n.start()
	c := n.client()
	var lines, matches, secrets []string
	for i := range 600 {
		key := fmt.Sprintf("sk_live/the imported key number %03d", i)
		secrets = append(secrets, key)
		lines = append(lines, fmt.Sprintf(`{"sha256":%q,"name":"key %d"}`, sha(key), i))
		matches = append(matches, match(key, "https://a.example/1?key="+key), match(key, "https://a.example/2"))
	}
	n.must(200, "POST", "/v1/tokens/import", n.token, strings.Join(lines, "\n"))
	status, _, answer := g.post(n, "["+strings.Join(matches, ",")+"]")
	if status != 200 || bytes.Count(answer, []byte("true_positive")) != len(matches) {
		t.Fatalf("%d: %d of %d are known", status, bytes.Count(answer, []byte("true_positive")), len(matches))
	}
	count := map[string]int{}
	for _, kind := range []string{"leaked", "revoked"} {
		for _, err := range c.AuditEventsAll(t.Context(), api.AuditEventsRequest{Kind: kind, Limit: 1000}) {
			if err != nil {
				t.Fatal(err)
			}
			count[kind]++
		}
	}
	if count["leaked"] != len(matches) || count["revoked"] != len(secrets) {
		t.Errorf("%v of %d matches of %d tokens", count, len(matches), len(secrets))
	}
	// The keys have no form to know them by, and yet are in no event.
	n.stop()
	lookInFiles(t, n.data, secrets[:1])
}

func TestWithoutKeysGitHubIsNotHeard(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	n := newNode(t)
	n.start()
	_, secret := generate(t, n.client(), api.GenerateRequest{Name: "mine"})
	status, _, answer := g.post(n, "["+match(secret, "")+"]")
	if p := decoded[api.Problem](t, answer); status != 404 || p.Code != "leaks_github_off" || !strings.Contains(p.Hint, "--leaks-github-keys") {
		t.Errorf("%d %s", status, answer)
	}
	n.stop()
	for _, keys := range []string{filepath.Join(n.dir, "missing.json"), "http://api.github.com/meta/public_keys/secret_scanning", n.tokenFile()} {
		n.args = []string{"--leaks-github-keys", keys}
		n.launch()
		if code := n.end(); code != 2 {
			t.Errorf("%s: exit code %d", keys, code)
		}
	}
}
