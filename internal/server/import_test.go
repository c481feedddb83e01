package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// importLine is a line for the i-th key of a set.
func importLine(set string, i int) string {
	return fmt.Sprintf("{\"sha256\":\"%x\",\"name\":\"key %d\",\"site\":%q}\n", sha256.Sum256(fmt.Append(nil, set, i)), i, set)
}

func importLines(set string, from, many int) string {
	var b strings.Builder
	for i := from; i < from+many; i++ {
		b.WriteString(importLine(set, i))
	}
	return b.String()
}

// results reads the answer to an import.
func results(t *testing.T, answer io.Reader) (all []api.ImportResult) {
	t.Helper()
	lines := bufio.NewScanner(answer)
	for lines.Scan() {
		var r api.ImportResult
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		all = append(all, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAnImportIsBoundedWhateverItsLinesAre shows that lines which cannot be read count,
// and that nobody without the permission has his lines read.
func TestAnImportIsBoundedWhateverItsLinesAre(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	_, none := generate(t, n.client(), api.GenerateRequest{Name: "none"})
	status, _, body := n.ask("POST", "/v1/tokens/import", none, strings.Repeat("x\n", 10_001))
	if status != 403 || !bytes.Contains(body, []byte("permission_missing")) {
		t.Errorf("without the permission: %d %.200s", status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", n.url+"/v1/tokens/import", strings.NewReader(strings.Repeat("x\n", 1_000_002)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	failed, last := 0, ""
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if last = lines.Text(); strings.Contains(last, `"failed"`) {
			failed++
		}
	}
	if failed != 1_000_000 || !strings.Contains(last, `"line":1000001,"status":"stopped","code":"import_too_long"`) {
		t.Errorf("%d lines failed, and the last is %s", failed, last)
	}
}

// TestLinesOfAnImportStandForThemselves shows what becomes of each kind of line, with
// and without results that go out while lines come in.
func TestLinesOfAnImportStandForThemselves(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	_, admin := generate(t, n.client(), api.GenerateRequest{Name: "admin", Tenant: "acme", Scopes: []string{"ledger:tokens:write"}})
	theirs := importLine("theirs", 1)
	if _, _, body := n.ask("POST", "/v1/tokens/import", n.token, theirs); !bytes.Contains(body, []byte("imported")) {
		t.Fatalf("%s", body)
	}
	with := func(i int, more string) string { return strings.Replace(importLine("mine", i), "}", more+"}", 1) }
	for _, connection := range []string{"keep-alive", api.ConnectionDuplex} {
		lines := importLine("mine", 1) +
			"\n  \r\n" + // blank lines are passed over
			importLine("mine", 1) + // the same again
			"not a line\n" +
			with(2, `,"scopes":["ledger:admin"]`) +
			with(3, `,"tenant":"default"`) +
			with(4, `,"metadata":{"x":"`+strings.Repeat("x", 70_000)+`"}`) +
			`{"sha256":"` + strings.Repeat("x", 200_000) + "\"}\n" +
			theirs +
			`{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","name":"blank"}` + "\n" +
			`{"name":"no hash"}` + "\n" +
			strings.TrimSpace(importLine("mine", 5)) // without a line break at the end
		status, header, body := n.ask("POST", "/v1/tokens/import", admin, lines, "Connection", connection)
		if status != 200 || header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("%d %v %s", status, header, body)
		}
		var got []string
		for _, r := range results(t, bytes.NewReader(body)) {
			got = append(got, strings.TrimSpace(fmt.Sprint(r.Line, " ", r.Status, " ", r.Code)))
		}
		first := "imported"
		if connection == api.ConnectionDuplex {
			first = "exists"
		}
		want := []string{
			"1 " + first, "4 exists", "5 failed body_invalid", "6 failed grant_not_held", "7 failed wrong_tenant", "8 failed line_too_long", "9 failed line_too_long",
			"10 failed hash_taken", "11 failed sha256_invalid", "12 failed sha256_invalid", "13 " + first,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("with Connection: %s\n got %q\nwant %q", connection, got, want)
		}
	}
}

// TestAnImportAnswersWhileLinesComeIn shows that the result of a line is there before
// the next one is sent, and that its sequence takes it in.
func TestAnImportAnswersWhileLinesComeIn(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	in, feed := io.Pipe()
	answered := make(chan api.ImportResult)
	go func() {
		for i := range 3 {
			fmt.Fprint(feed, importLine("slow", i))
			if r := <-answered; r.Line != i+1 || r.Status != "imported" {
				t.Errorf("line %d: %+v", i+1, r)
			}
		}
		feed.Close()
	}()
	c := n.client()
	w, err := c.Import(t.Context(), in, func(r api.ImportResult) error {
		answered <- r
		return nil
	})
	if err != nil || w.Value.Imported != 3 || w.Seq == 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: "slow2", MinSeq: w.Seq}); err != nil || !a.Active {
		t.Errorf("the last key: %+v, %v", a, err)
	}
}

// TestTheSameHashInTwoImportsAtOnce shows that of many lines with one hash, in one
// import and in several at the same time, exactly one makes a token.
func TestTheSameHashInTwoImportsAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	const keys = 2500
	lines := importLines("shared", 0, keys) + importLines("shared", 0, keys)
	var all sync.WaitGroup
	var mu sync.Mutex
	ids := map[int]map[string]bool{}
	var total client.Imported
	for range 3 {
		all.Go(func() {
			w, err := c.Import(t.Context(), strings.NewReader(lines), func(r api.ImportResult) error {
				mu.Lock()
				defer mu.Unlock()
				key := (r.Line - 1) % keys
				if ids[key] == nil {
					ids[key] = map[string]bool{}
				}
				ids[key][r.ID] = true
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total.Imported, total.Exists, total.Failed = total.Imported+w.Value.Imported, total.Exists+w.Value.Exists, total.Failed+w.Value.Failed
		})
	}
	all.Wait()
	if want := (client.Imported{Imported: keys, Exists: 5 * keys}); total != want {
		t.Errorf("%+v, want %+v", total, want)
	}
	for key, of := range ids {
		if len(of) != 1 {
			t.Fatalf("key %d has the tokens %v", key, of)
		}
	}
	if got := count(t, n, api.ListRequest{Site: "shared", Limit: 1000}); got != keys {
		t.Errorf("there are %d tokens", got)
	}
}

// TestAnImportThatWasCutShortGoesOn shows that whatever was answered before kill -9 is
// there after it, that sending all again does the rest, and that the key makes one
// import of both.
func TestAnImportThatWasCutShortGoesOn(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	const keys = 8_000
	lines := importLines("cut", 0, keys)
	answered := map[int]string{}
	w, err := n.client().Import(t.Context(), strings.NewReader(lines), func(r api.ImportResult) error {
		if answered[r.Line] = r.ID; len(answered) == 2000 {
			n.kill()
		}
		return nil
	}, client.WithIdempotencyKey("cut-1"))
	if err == nil || w.Value.Imported < 2000 {
		t.Fatalf("%+v, %v", w, err)
	}
	n.start()
	w, err = n.client().Import(t.Context(), strings.NewReader(lines), func(r api.ImportResult) error {
		if id, ok := answered[r.Line]; ok && id != r.ID {
			t.Errorf("line %d had the token %s, now %s", r.Line, id, r.ID)
		}
		return nil
	}, client.WithIdempotencyKey("cut-1"))
	if want := (client.Imported{Imported: keys}); err != nil || w.Value != want || w.Replayed {
		t.Errorf("the repeat with the key: %+v, %v", w, err)
	}
	again, err := n.client().Import(t.Context(), strings.NewReader(lines), nil, client.WithIdempotencyKey("cut-1"))
	if want := (client.Imported{Imported: keys}); err != nil || again.Value != want || !again.Replayed || again.Seq != w.Seq {
		t.Errorf("the repeat of the whole: %+v at %d, %v", again, w.Seq, err)
	}
	if w, err = n.client().Import(t.Context(), strings.NewReader(lines), nil); err != nil || w.Value.Exists != keys {
		t.Errorf("without the key: %+v, %v", w, err)
	}
	if got := count(t, n, api.ListRequest{Site: "cut", Limit: 1000}); got != keys {
		t.Errorf("there are %d tokens", got)
	}
}

// TestACallerWhoIsRevokedDuringAnImport shows that what was answered stands, and that
// nothing more is imported.
func TestACallerWhoIsRevokedDuringAnImport(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	tok, secret := generate(t, c, api.GenerateRequest{Name: "leaver", Scopes: []string{"ledger:tokens:write"}})
	in, feed := io.Pipe()
	next := make(chan struct{})
	go func() {
		fmt.Fprint(feed, importLine("leaver", 0))
		<-next
		_, _ = io.WriteString(feed, importLines("leaver", 1, 5))
	}()
	w, err := n.as(secret).Import(t.Context(), in, func(api.ImportResult) error {
		if _, err := c.Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
			t.Error(err)
		}
		close(next)
		return nil
	})
	feed.Close()
	var stopped *client.ImportStoppedError
	if !errors.As(err, &stopped) || stopped.Line != 2 || stopped.Code != "invalid_token" || w.Value.Imported != 1 {
		t.Errorf("%+v, %v", w, err)
	}
	if got := count(t, n, api.ListRequest{Site: "leaver"}); got != 1 {
		t.Errorf("%d keys were imported", got)
	}
}

// TestASlowImportHoldsNobodyUp shows that one who neither sends nor reads keeps no other
// from importing, of the same tenant either, up to the bound.
func TestASlowImportHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	_, other := generate(t, n.client(), api.GenerateRequest{Name: "other", Tenant: "acme", Scopes: []string{"ledger:tokens:write"}})
	for i := range 4 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		connection := "keep-alive"
		if i%2 == 0 {
			connection = api.ConnectionDuplex
		}
		fmt.Fprintf(conn, "POST /v1/tokens/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: %s\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n", n.token, connection)
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
		fmt.Fprint(conn, importLine("slow", i)+`{"sha256":"`)
	}
	w, err := n.as(other).Import(t.Context(), strings.NewReader(importLines("quick", 0, 2000)), nil)
	if err != nil || w.Value.Imported != 2000 {
		t.Errorf("beside it: %+v, %v", w, err)
	}
	status, header, body := n.ask("POST", "/v1/tokens/import", n.token, importLine("fifth", 0))
	if status != 503 || !bytes.Contains(body, []byte("too_many_imports")) || header.Get("Retry-After") == "" {
		t.Errorf("the fifth of the tenant: %d %s", status, body)
	}
}

// TestImportsOfClientsThatSendFirst shows that an import ends for clients that know
// nothing of answers which begin early, and through proxies that would stop sending then.
func TestImportsOfClientsThatSendFirst(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	const keys = 5_000
	// One that sends all before it reads anything, with a receive buffer that is soon full.
	t.Run("send, then read", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		// Lines that fail are quickly answered, so that far more goes both ways than the
		// system keeps for anybody.
		const bad = 80_000
		lines := strings.Repeat(`{"sha256":"`+strings.Repeat("x", 150)+"\"}\n", bad)
		fmt.Fprintf(conn, "POST /v1/tokens/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", n.token, len(lines))
		if _, err := io.WriteString(conn, lines); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if all := results(t, res.Body); len(all) != bad || all[bad-1].Code != "sha256_invalid" || res.Header.Get("Ledger-Seq") == "" {
			t.Errorf("%s with %d results", res.Status, len(all))
		}
	})
	t.Run("curl", func(t *testing.T) {
		curl, err := exec.LookPath("curl")
		if err != nil {
			t.Skip("there is no curl")
		}
		file := filepath.Join(t.TempDir(), "keys.ndjson")
		if err := os.WriteFile(file, []byte(importLines("curl", 0, keys)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, how := range [][]string{{"-T", file}, {"--data-binary", "@" + file}, {"-T", file, "-H", "Connection: " + api.ConnectionDuplex}, {"-T", "-", "-H", "Transfer-Encoding: chunked"}} {
			cmd := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "120", "-X", "POST", "-K", "-", n.url + "/v1/tokens/import"}, how...)...)
			config := "header = \"Authorization: Bearer " + n.token + "\"\n"
			cmd.Stdin = strings.NewReader(config)
			if how[1] == "-" {
				cmd.Args = append(cmd.Args, "-H", "Authorization: Bearer "+n.token)
				cmd.Args = append(cmd.Args[:6], cmd.Args[8:]...)
				cmd.Stdin = strings.NewReader(importLines("curl", 0, keys))
			}
			out, err := cmd.Output()
			if all := results(t, bytes.NewReader(out)); err != nil || len(all) != keys || all[keys-1].Line != keys || all[keys-1].ID == "" {
				t.Errorf("curl %v: %v with %d results", how, err, len(all))
			}
		}
	})
	t.Run("a proxy of Go", func(t *testing.T) {
		target, err := url.Parse(n.url)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
		defer proxy.Close()
		throughProxy(t, n, proxy.URL, "go-proxy", keys)
	})
	t.Run("nginx", func(t *testing.T) {
		throughProxy(t, n, nginxBefore(t, n.url), "nginx", keys)
	})
}

// throughProxy imports with the client, which asks for results while it sends.
func throughProxy(t *testing.T, n *node, at, set string, keys int) {
	t.Helper()
	c, err := client.New(client.Config{URL: at, Token: client.NewSecret(n.token)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.Import(t.Context(), strings.NewReader(importLines(set, 0, keys)), nil)
	if err != nil || w.Value.Imported != keys || w.Seq == 0 {
		t.Errorf("%+v, %v", w, err)
	}
}

// nginxBefore runs an nginx that keeps requests and answers in files, as it does by
// default, before the node.
func nginxBefore(t *testing.T, target string) (at string) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("there is no nginx")
	}
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; location / { proxy_pass %[3]s; proxy_http_version 1.1; } }
}
`, dir, addr, target)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "nginx listens", func(context.Context) bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "http://" + addr
}

// TestAnImportThatIsRefusedIsToldAtOnce shows that a client which sends while it reads
// hears of the refusal before it has sent the rest.
func TestAnImportThatIsRefusedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	if status, _, body := n.ask("POST", "/v1/tokens", n.token, `{"name":"x"}`, "Idempotency-Key", "used"); status != 201 {
		t.Fatalf("%s", body)
	}
	in, feed := io.Pipe()
	defer feed.Close()
	go func() { _, _ = io.WriteString(feed, importLine("refused", 0)) }()
	_, err := n.client().Import(t.Context(), in, nil, client.WithIdempotencyKey("used"))
	if problem(err).Code != "idempotency_key_reused" {
		t.Errorf("got %v", err)
	}
	// Lines that are refused do not count for what the key stands for.
	for _, first := range []string{"", "not a line\n"} {
		in, feed := io.Pipe()
		decided := make(chan struct{}, 2)
		go func() {
			if first != "" {
				_, _ = io.WriteString(feed, first)
				<-decided // by itself
			}
			_, _ = io.WriteString(feed, importLine("key", 0))
			feed.Close()
		}()
		if w, err := n.client().Import(t.Context(), in, func(api.ImportResult) error { decided <- struct{}{}; return nil }, client.WithIdempotencyKey("stands-for")); err != nil || w.Value.Imported != 1 {
			t.Errorf("begun with %q: %+v, %v", first, w, err)
		}
	}
	if got := count(t, n, api.ListRequest{Site: "refused"}); got != 0 {
		t.Errorf("%d keys were imported", got)
	}
}

// announce begins a request with a body of so many bytes, and gives the answer that comes
// before any of them is sent.
func (n *node) announce(path string, size int64) (int, http.Header, []byte) {
	n.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, n.token, size)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res.StatusCode, res.Header, body
}
