package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/server"
)

// upstream is what a proxy guards: it tells what it was sent.
type upstream struct {
	*httptest.Server
	requests atomic.Int64
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(u.Close)
	return u
}

// proxy is a real one in front of the upstream, with the configuration that docs/ has.
type proxy struct {
	name  string
	start func(t *testing.T, n *node, u *upstream, token string) (addr string)
}

var proxies = []proxy{{"nginx", startNginx}, {"Caddy", startCaddy}}

// configure writes a configuration of docs/ with the addresses of this test in it.
func configure(t *testing.T, file, listen string, n *node, u *upstream, more ...string) string {
	t.Helper()
	pairs := []string{"127.0.0.1:8000", listen, "127.0.0.1:7480", n.addr(), "127.0.0.1:8080", u.Listener.Addr().String()}
	text := readRepo(t, "docs/forward-auth/"+file)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s no longer has the address %s", file, pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(append(pairs, more...)...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run keeps the program running until the test ends.
func run(t *testing.T, addr string, cmd *exec.Cmd) {
	t.Helper()
	var mu sync.Mutex
	var log strings.Builder
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			mu.Lock()
			log.WriteString(lines.Text() + "\n")
			mu.Unlock()
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-done:
			t.Fatalf("%s ended: %s", cmd.Path, log.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", cmd.Path, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func startNginx(t *testing.T, n *node, u *upstream, token string) string {
	dir := t.TempDir()
	include := filepath.Join(dir, "ledger-token.conf")
	if err := os.WriteFile(include, []byte(`proxy_set_header X-Ledger-Authorization "Bearer `+token+`";`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Where nginx of Debian writes as root, tests write to their own directory.
	own := "http {\n    access_log off;\n"
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		own += fmt.Sprintf("    %s_temp_path %s;\n", what, filepath.Join(dir, what))
	}
	listen := freeAddr(t)
	conf := configure(t, "nginx.conf", listen, n, u, "/etc/nginx/ledger-token.conf", include, "http {\n", own)
	run(t, listen, exec.Command(program(t, "nginx"), "-p", dir, "-c", conf, "-e", "stderr", "-g", "daemon off; master_process off; pid "+filepath.Join(dir, "pid")+";"))
	return listen
}

func startCaddy(t *testing.T, n *node, u *upstream, token string) string {
	dir := t.TempDir()
	listen := freeAddr(t)
	conf := configure(t, "Caddyfile", listen, n, u)
	cmd := exec.Command(program(t, "caddy"), "run", "--config", conf, "--adapter", "caddyfile")
	cmd.Env = []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "PATH=" + os.Getenv("PATH"), "LEDGER_TOKEN=" + token}
	run(t, listen, cmd)
	return listen
}

// from sends the head, as it is but for a %s in the place of the address, to addr from the
// loopback address ip. It gives the status, and what the upstream was sent.
func from(t *testing.T, ip, addr, head string) (status int, sent http.Header) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, strings.Replace(head, "%s", addr, 1)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	} else if strings.Contains(string(body), "revoked by") {
		t.Errorf("the answer tells the bearer why: %s", body)
	}
	return res.StatusCode, sent
}

func get(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: %s\r\nUser-Agent: shop/1.0\r\nConnection: close\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
}

// TestProxiesGuardAnUpstream runs each proxy with its configuration of docs/.
func TestProxiesGuardAnUpstream(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, func(cfg *server.Config) { cfg.TrustedProxies = []string{"127.0.0.1"} })
			u := newUpstream(t)
			_, proxyToken := n.generate(api.GenerateRequest{Name: "proxy", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
			addr := p.start(t, n, u, proxyToken)

			good, goodSecret := n.generate(api.GenerateRequest{Name: "Bücher 100%", Site: "shop.example", TTL: "1d", Scopes: []string{"orders:read", "stock:read"}})
			_, bare := n.generate(api.GenerateRequest{Name: "without scopes", TTL: "1d"})
			_, elsewhere := n.generate(api.GenerateRequest{Name: "of another site", Site: "other.example", TTL: "1d", Scopes: []string{"orders:read"}})
			_, elsewhereBare := n.generate(api.GenerateRequest{Name: "of another site, without scopes", Site: "other.example", TTL: "1d"})
			_, bound := n.generate(api.GenerateRequest{Name: "bound", TTL: "1d", Scopes: []string{"orders:*"}, AllowedCIDRs: []string{"127.0.0.2/32"}})
			bearer := func(token string) string { return "Authorization: Bearer " + token }

			for _, tc := range []struct {
				what, ip string
				headers  []string
				want     int
			}{
				{"a good token", "127.0.0.4", []string{bearer(goodSecret)}, 200},
				{"a good token in X-API-Key", "127.0.0.4", []string{"X-API-Key: " + goodSecret}, 200},
				{"a header in odd case", "127.0.0.4", []string{"aUTHORIZATION: bEARER " + goodSecret}, 200},
				{"no token", "127.0.0.4", nil, 401},
				{"what is no token", "127.0.0.4", []string{bearer("hello")}, 401},
				{"a token copied short", "127.0.0.4", []string{bearer(goodSecret[:len(goodSecret)-1])}, 401},
				{"another scheme", "127.0.0.4", []string{"Authorization: Basic " + goodSecret}, 401},
				{"no scope", "127.0.0.4", []string{bearer(bare)}, 403},
				{"another site", "127.0.0.4", []string{bearer(elsewhere)}, 401},
				{"another site and no scope", "127.0.0.4", []string{bearer(elsewhereBare)}, 401},
				{"two Authorization headers", "127.0.0.4", []string{bearer(goodSecret), bearer(goodSecret)}, 401},
				{"two that differ", "127.0.0.4", []string{bearer("hello"), bearer(goodSecret)}, 401},
				{"two in one", "127.0.0.4", []string{bearer(goodSecret) + ", Bearer " + goodSecret}, 401},
				{"both headers", "127.0.0.4", []string{bearer(goodSecret), "X-API-Key: " + goodSecret}, 401},
				{"a header with underscores", "127.0.0.4", []string{"X_API_Key: " + goodSecret}, 401},
				{"the proxy's header, by the client", "127.0.0.4", []string{bearer("hello"), "X-Ledger-Authorization: Bearer " + n.root}, 401},
				{"a token that is bound, from there", "127.0.0.2", []string{bearer(bound)}, 200},
				{"a token that is bound, from elsewhere", "127.0.0.3", []string{bearer(bound)}, 401},
				{"X-Forwarded-For forged", "127.0.0.3", []string{bearer(bound), "X-Forwarded-For: 127.0.0.2"}, 401},
				{"two of them forged", "127.0.0.3", []string{bearer(bound), "X-Forwarded-For: 127.0.0.2", "X-Forwarded-For: 127.0.0.2, 127.0.0.1"}, 401},
			} {
				before := u.requests.Load()
				status, sent := from(t, tc.ip, addr, get("/api/orders?scope=stock:write", append(tc.headers,
					"X-Token-Id: forged", "X-Token-Tenant: forged", "x-token-name: forged", "X-Token-Scopes: forged", "X_Token_Id: forged",
					"X-Token_Id: forged", "X_Token-Id: forged")...))
				// Proxies may refuse by themselves what the ledger would.
				if status != tc.want && (tc.want != 401 || status != 400) {
					t.Errorf("%s: %d, want %d", tc.what, status, tc.want)
				}
				if tc.want != 200 && u.requests.Load() != before {
					t.Errorf("%s: the upstream was asked", tc.what)
				}
				if tc.want != 200 {
					continue
				}
				if all := fmt.Sprint(sent); strings.Contains(all, "forged") || strings.Contains(all, "tl_") {
					t.Errorf("%s: the upstream was sent %v", tc.what, sent)
				}
				if tc.what == "a good token" {
					name, err := url.PathUnescape(sent.Get("X-Token-Name"))
					if sent.Get("X-Token-Id") != good.ID || sent.Get("X-Token-Tenant") != "default" || sent.Get("X-Token-Scopes") != "orders:read stock:read" || name != "Bücher 100%" || err != nil {
						t.Errorf("the upstream was sent %v", sent)
					}
				}
			}

			status, sent := from(t, "127.0.0.4", addr, get("/api/orders", bearer(goodSecret), "Connection: close, X-Token-Id, X-Token-Tenant, X-Token-Name, X-Token-Scopes"))
			if status == 200 && (sent.Get("X-Token-Id") != good.ID || sent.Get("X-Token-Tenant") == "" || sent.Get("X-Token-Scopes") == "" || sent.Get("X-Token-Name") == "") {
				t.Errorf("a client had the ledger's headers dropped: %v", sent)
			}

			n.revoke(good.ID)
			if status, _ := from(t, "127.0.0.4", addr, get("/api/orders", bearer(goodSecret))); status != 401 {
				t.Errorf("right after its revocation: %d", status)
			}
			n.checkRecord(t, good.ID)

			_, last := n.generate(api.GenerateRequest{Name: "last", TTL: "1d", Scopes: []string{"orders:read"}})
			before := u.requests.Load()
			n.Shutdown()
			if status, _ := from(t, "127.0.0.4", addr, get("/api/orders", bearer(last))); status < 500 || u.requests.Load() != before {
				t.Errorf("without the ledger: %d", status)
			}
		})
	}
}

// checkRecord shows that the uses of the token are on record as what they were.
func (n *node) checkRecord(t *testing.T, id string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		history, err := n.client().History(t.Context(), id, client.HistoryRequest{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		all, err := json.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		text := string(all)
		if strings.Contains(text, "token.used.v1") && strings.Contains(text, `"reason":"revoked"`) {
			for _, want := range []string{`"resource":"GET /api/orders"`, `"user_agent":"shop/1.0"`, `"ip":"127.0.0.4"`, `"site":"shop.example"`} {
				if !strings.Contains(text, want) {
					t.Errorf("the record lacks %s: %s", want, text)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the uses do not come on record: %s", text)
		}
	}
}
