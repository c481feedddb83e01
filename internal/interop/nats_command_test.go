package interop_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/server"
)

// natsNode is a node with a listener for NATS clients.
func natsNode(t *testing.T) *node {
	t.Helper()
	return startNode(t, func(cfg *server.Config) { cfg.NATSListen = "127.0.0.1:0" })
}

// natsCommand is the nats command as docs/nats.md has it used: the address and the token
// are in the environment.
func (n *node) natsCommand(token string, args ...string) *exec.Cmd {
	n.t.Helper()
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin", "tools", "nats-v0.5.0"))
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		n.t.Fatal("the nats command is not installed; run make tools, which installs what these tests need")
	}
	home := n.t.TempDir()
	cmd := exec.CommandContext(n.t.Context(), bin, args...)
	cmd.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "NATS_URL=" + n.NATSURL(), "NATS_TOKEN=" + token}
	return cmd
}

// transcript is what a command has printed so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// shows waits until the command has printed what matches.
func (s *transcript) shows(t *testing.T, what string) {
	t.Helper()
	pattern := regexp.MustCompile(what)
	for deadline := time.Now().Add(time.Minute); !pattern.MatchString(s.String()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nats does not print %q:\n%s", what, s)
		}
	}
}

// subscribes runs nats sub until the test ends.
func (n *node) subscribes(t *testing.T, token string, subjects ...string) *transcript {
	t.Helper()
	cmd, printed := n.natsCommand(token, append([]string{"sub"}, subjects...)...), &transcript{}
	cmd.Stdout, cmd.Stderr = printed, printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	printed.shows(t, "Subscribing on")
	return printed
}

// awaitListeners waits until a revocation in the tenant is heard by all of them: nats says
// that it subscribes before the server has heard of it.
func (n *node) awaitListeners(t *testing.T, tenant string, listeners ...*transcript) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		token, _ := n.generate(api.GenerateRequest{Name: "nobody's", Tenant: tenant, TTL: "1d"})
		n.revoke(token.ID)
		all := true
		for _, l := range listeners {
			all = all && strings.Contains(l.String(), "#1]")
		}
		if all {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nats sub in %s hears nothing: %v", tenant, listeners)
		}
	}
}

// TestNATSCommandHearsItsTenantsRevocations runs nats sub for two tenants and for root.
func TestNATSCommandHearsItsTenantsRevocations(t *testing.T) {
	t.Parallel()
	n := natsNode(t)
	feed := []string{"ledger:revocations:read"}
	_, acme := n.generate(api.GenerateRequest{Name: "feed", Tenant: "acme", TTL: "1d", Scopes: feed})
	_, zeta := n.generate(api.GenerateRequest{Name: "feed", Tenant: "zeta", TTL: "1d", Scopes: feed})
	ofAcme, ofZeta, ofAll := n.subscribes(t, acme, "revocations.>"), n.subscribes(t, zeta, "revocations.>"), n.subscribes(t, n.root, "revocations.>")
	n.awaitListeners(t, "acme", ofAcme, ofAll)
	n.awaitListeners(t, "zeta", ofZeta)

	a, secret := n.generate(api.GenerateRequest{Name: "of acme", Tenant: "acme", TTL: "1d"})
	z, _ := n.generate(api.GenerateRequest{Name: "of zeta", Tenant: "zeta", TTL: "1d"})
	n.revoke(a.ID)
	n.revoke(z.ID)
	ofAcme.shows(t, `"subject":"`+a.ID)
	ofZeta.shows(t, `"subject":"`+z.ID)
	ofAll.shows(t, `(?s)"subject":"`+a.ID+`.*"subject":"`+z.ID)
	// What docs/nats.md prints.
	for _, want := range []string{`Received on "revocations\.acme"`, `Nats-Stream: LEDGER`, `Nats-Subject: ledger\.acme\.revoked`, `Nats-Sequence: \d+`, `Nats-Last-Sequence: \d+`, `Nats-Msg-Id: \w+`, `"type":"tokenledger\.token\.revoked\.v1"`} {
		ofAcme.shows(t, want)
	}
	// A last one after the other's: what was on its way has come by now.
	last, _ := n.generate(api.GenerateRequest{Name: "the last", Tenant: "acme", TTL: "1d"})
	n.revoke(last.ID)
	ofAcme.shows(t, `"subject":"`+last.ID)
	if strings.Contains(ofAcme.String(), "ledger.zeta") || strings.Contains(ofZeta.String(), "ledger.acme") {
		t.Errorf("a tenant hears of another:\n%s\n%s", ofAcme, ofZeta)
	}
	for _, l := range []*transcript{ofAcme, ofZeta, ofAll} {
		if strings.Contains(l.String(), secret) || strings.Contains(l.String(), "rror") {
			t.Errorf("nats sub printed\n%s", l)
		}
	}

	// Another tenant's subject says nothing here, and the ledger's own is refused.
	n.subscribes(t, acme, "ledger.zeta.>").shows(t, "(?i)permissions violation")
	both := n.subscribes(t, acme, "revocations.zeta", "revocations.acme")
	n.awaitListeners(t, "acme", both)
	z, _ = n.generate(api.GenerateRequest{Name: "of zeta", Tenant: "zeta", TTL: "1d"})
	n.revoke(z.ID)
	ofZeta.shows(t, `"subject":"`+z.ID)
	last, _ = n.generate(api.GenerateRequest{Name: "the last", Tenant: "acme", TTL: "1d"})
	n.revoke(last.ID)
	both.shows(t, `"subject":"`+last.ID)
	if strings.Contains(both.String(), "ledger.zeta") {
		t.Errorf("a tenant hears another's subject:\n%s", both)
	}
	if out, err := n.natsCommand(acme, "pub", "revocations.acme", "{}").CombinedOutput(); err == nil || !strings.Contains(strings.ToLower(string(out)), "permissions violation") {
		t.Errorf("nats pub: %v: %s", err, out)
	}
}

// TestNATSCommandValidates asks as docs/nats.md does.
func TestNATSCommandValidates(t *testing.T) {
	t.Parallel()
	n := natsNode(t)
	_, gateway := n.generate(api.GenerateRequest{Name: "gateway", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, acme := n.generate(api.GenerateRequest{Name: "gateway", Tenant: "acme", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, feed := n.generate(api.GenerateRequest{Name: "feed", TTL: "1d", Scopes: []string{"ledger:revocations:read"}})
	tok, secret := n.generate(api.GenerateRequest{Name: "shop checkout", TTL: "1d", Scopes: []string{"orders:read"}})
	request, err := json.Marshal(map[string]any{"token": secret, "scopes": []string{"orders:read"}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(caller string, args ...string) (answer api.ValidateAnswer) {
		t.Helper()
		cmd := n.natsCommand(caller, append(args, "request", "--raw", "tokenledger.validate")...)
		cmd.Stdin = bytes.NewReader(request)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("nats request: %v: %s", err, out)
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return answer
	}
	if got := ask(gateway); !got.Active || got.Token == nil || got.Token.ID != tok.ID || got.Token.Name != "shop checkout" {
		t.Errorf("a good token: %+v", got)
	}
	gatewayID := strings.Split(gateway, "_")[1]
	if got := ask(gateway, "--inbox-prefix", "_INBOX_"+gatewayID); !got.Active {
		t.Errorf("with an inbox of its own: %+v", got)
	}
	if got := ask(acme); got.Active || got.Reason != "unknown" {
		t.Errorf("asked by another tenant: %+v", got)
	}
	n.revoke(tok.ID)
	if got := ask(gateway); got.Active || got.Reason != "revoked" {
		t.Errorf("right after its revocation: %+v", got)
	}

	if out, err := n.natsCommand(gateway, "micro", "ls").CombinedOutput(); err != nil || !strings.Contains(string(out), "tokenledger") {
		t.Errorf("nats micro ls: %v: %s", err, out)
	}
	if out, err := n.natsCommand(n.root, "micro", "stats", "tokenledger").CombinedOutput(); err != nil || !strings.Contains(string(out), "validate") {
		t.Errorf("nats micro stats: %v: %s", err, out)
	}
	refused := n.natsCommand(feed, "--timeout", "3s", "request", "--raw", "tokenledger.validate")
	refused.Stdin = bytes.NewReader(request)
	if out, err := refused.CombinedOutput(); strings.Contains(string(out), `"active"`) || !strings.Contains(strings.ToLower(string(out)), "permissions violation") {
		t.Errorf("nats request without the permission: %v: %s", err, out)
	}
}

// TestNATSCommandEndsWithItsToken revokes the token of a nats sub that runs, which tries to
// come back by itself.
func TestNATSCommandEndsWithItsToken(t *testing.T) {
	t.Parallel()
	n := natsNode(t)
	feed, secret := n.generate(api.GenerateRequest{Name: "feed", TTL: "1d", Scopes: []string{"ledger:revocations:read"}})
	heard, root := n.subscribes(t, secret, "revocations.>"), n.subscribes(t, n.root, "revocations.>")
	n.awaitListeners(t, "default", heard, root)

	n.revoke(feed.ID)
	heard.shows(t, `(?s)Disconnected.*(?i)authorization violation`)
	after, _ := n.generate(api.GenerateRequest{Name: "after", TTL: "1d"})
	n.revoke(after.ID)
	root.shows(t, `"subject":"`+after.ID)
	heard.shows(t, `(?s)Disconnected.*(?i:authorization violation).*(?i:authorization violation)`)
	if strings.Contains(heard.String(), after.ID) || strings.Contains(heard.String(), "Reconnected") {
		t.Errorf("its subscription goes on:\n%s", heard)
	}
	if out, err := n.natsCommand(secret, "sub", "--count", "1", "revocations.>").CombinedOutput(); err == nil || !strings.Contains(strings.ToLower(string(out)), "authorization violation") {
		t.Errorf("a nats sub anew: %v: %s", err, out)
	}
	if out, err := n.natsCommand(secret[:len(secret)-1], "sub", "--count", "1", "revocations.>").CombinedOutput(); err == nil || !strings.Contains(strings.ToLower(string(out)), "authorization violation") {
		t.Errorf("a token copied short: %v: %s", err, out)
	}
}
