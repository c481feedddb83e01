package server_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// TestNoSecretIsKept plants secrets wherever a caller can put them, and looks for
// them on the disk, in the log and in the process list.
func TestNoSecretIsKept(t *testing.T) {
	t.Parallel()
	n := newNode(t, "--log-level", "debug", "--usage-window", "10ms")
	n.start()
	c := n.client()
	var planted []string
	plant := func(name string) string {
		g, err := c.Generate(t.Context(), api.GenerateRequest{Name: name, Scopes: []string{"ledger:tokens:read"}})
		if err != nil {
			t.Fatal(err)
		}
		s := g.Value.Secret.Reveal()
		planted = append(planted, s)
		return s
	}
	asked := plant("validated")
	if a, err := c.Validate(t.Context(), api.ValidateRequest{
		Token: asked, Resource: "/login?key=" + asked, UserAgent: "agent " + asked, Site: "site-" + asked,
	}); err != nil || !a.Active {
		t.Fatalf("%+v, %v", a, err)
	}
	wrong := asked[:len(asked)-1] + string('0'+('1'-asked[len(asked)-1])&1)
	if _, err := c.Validate(t.Context(), api.ValidateRequest{Token: wrong}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Validate(t.Context(), api.ValidateRequest{Token: "an old key that is no token 0123456789"}); err != nil {
		t.Fatal(err)
	}
	planted = append(planted, "an old key that is no token 0123456789")
	// Secrets where they do not belong.
	stray := plant("stray")
	for _, req := range []api.GenerateRequest{{Name: stray}, {Name: "x", Site: stray}, {Name: "x", Metadata: map[string]string{"k": stray}}, {Name: "x", Scopes: []string{stray}}} {
		if _, err := c.Generate(t.Context(), req); err == nil {
			t.Errorf("%d bytes of name: a token in a label was taken", len(req.Name))
		} else if strings.Contains(err.Error(), stray[30:]) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
	raw := func(method, path, bearer string, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("User-Agent", "curl "+stray)
		req.Header.Set("X-Request-Id", stray)
		req.Header.Set("Idempotency-Key", "once "+stray)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer bytes.Buffer
		if _, err := answer.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(answer.Bytes(), []byte(stray[30:])) {
			t.Errorf("%s %s: the answer repeats the secret: %s", method, path, answer.Bytes())
		}
	}
	raw("POST", "/v1/tokens/validate", n.token, `{"token":"x","client_ip":"fe80::1%`+stray+`"}`)
	raw("POST", "/v1/tokens/validate", n.token, `{"token":"x","scopes":["`+stray+`"]}`)
	raw("GET", "/v1/tokens?status="+stray, n.token, "")
	raw("GET", "/v1/tokens/"+stray, n.token, "")
	raw("GET", "/v1/tokens?name="+stray+"&cursor="+stray, n.token, "")
	raw("GET", "/nowhere/"+stray+"?"+stray, n.token, "")
	raw("GET", "/v1/tokens", stray, "")
	raw("GET", "/v1/tokens", wrong, "")
	raw("POST", "/v1/tokens", n.token, `{"name":"with an idempotency key"}`)
	raw("POST", "/v1/tokens", n.token, `{"`+stray+`":1}`)
	raw("POST", "/v1/tokens", n.token, `{"name":["`+stray+`"]}`)
	raw("POST", "/v1/tokens/import", n.token, `{"sha256":"`+stray+`","name":"x"}`)
	// A leaked token that is traced, right and wrong, and where it does not belong.
	traceBody := func(field, token string) string { return `{"` + field + `":"` + token + `"}` }
	forged := otherSecret(stray)
	raw("POST", "/v1/audit/trace", n.token, traceBody("secret", stray))
	raw("POST", "/v1/audit/trace", n.token, traceBody("secret", stray+"x"))
	raw("POST", "/v1/audit/trace", n.token, traceBody("secret", forged))
	raw("POST", "/v1/audit/trace", n.token, traceBody("token", stray))
	raw("POST", "/v1/audit/trace", n.token, traceBody("tenant", stray))
	raw("GET", "/v1/audit/events?actor="+stray, n.token, "")
	raw("GET", "/v1/audit/events?token="+stray, n.token, "")
	raw("GET", "/v1/audit/events?cursor="+stray, n.token, "")
	raw("GET", "/v1/audit/as-of?seq=1&owner="+stray, n.token, "")
	raw("GET", "/v1/audit/as-of?seq=1&cursor="+stray, n.token, "")
	raw("GET", "/v1/audit/diff?from="+stray+"&to=1", n.token, "")
	raw("GET", "/v1/audit/proofs/"+stray, n.token, "")
	raw("GET", "/v1/audit/tile/"+stray, n.token, "")
	planted = append(planted, wrong, forged, n.token)

	lookInProcessList(t, n, planted)
	n.stop()
	lookInFiles(t, n.data, planted)
	for _, s := range planted {
		if strings.Contains(n.log.String(), s[len(s)-30:]) {
			t.Errorf("the log has the secret %q", s)
		}
	}
	// What is compressed or escaped on disk shows when it is read: the history of
	// all tokens has none of it either.
	n.start()
	c = n.client()
	for e, err := range c.AuditEventsAll(t.Context(), api.AuditEventsRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range planted {
			if bytes.Contains(e.Event, []byte(s[len(s)-30:])) {
				t.Errorf("event %d of the audit log has the secret: %s", e.Seq, e.Event)
			}
		}
	}
	for tok, err := range c.ListAll(t.Context(), api.ListRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range c.HistoryAll(t.Context(), tok.ID, client.HistoryRequest{}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range planted {
				if bytes.Contains(e.Event, []byte(s[len(s)-30:])) {
					t.Errorf("event %d has the secret: %s", e.Seq, e.Event)
				}
			}
		}
	}
}

func lookInFiles(t *testing.T, dir string, planted []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, s := range planted {
			if bytes.Contains(raw, []byte(s[len(s)-30:])) {
				t.Errorf("%s has a secret", path)
			}
		}
		return nil
	})
	if err != nil || files < 8 {
		t.Fatalf("%d files looked at: %v", files, err)
	}
}

func lookInProcessList(t *testing.T, n *node, planted []string) {
	t.Helper()
	for _, name := range []string{"cmdline", "environ"} {
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), name))
		if err != nil {
			t.Skipf("no process list here: %v", err)
		}
		for _, s := range planted {
			if bytes.Contains(raw, []byte(s[len(s)-30:])) {
				t.Errorf("the process's %s has a secret", name)
			}
		}
	}
}
