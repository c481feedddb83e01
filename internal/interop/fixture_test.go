package interop_test

import (
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/server"
)

// node is a node in this process, with its root token.
type node struct {
	*server.Server
	t    *testing.T
	root string
}

func startNode(t *testing.T, change func(*server.Config)) *node {
	t.Helper()
	dir := t.TempDir()
	cfg := server.Config{
		DataDir: filepath.Join(dir, "data"), HTTP: "127.0.0.1:0", NATSListen: "off", BootstrapTokenFile: filepath.Join(dir, "root"),
		UsageWindow: 50 * time.Millisecond, MaxStaleness: 10 * time.Second, Stdout: io.Discard, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := server.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	root, err := os.ReadFile(cfg.BootstrapTokenFile)
	if err != nil {
		t.Fatal(err)
	}
	return &node{s, t, strings.TrimSpace(string(root))}
}

func (n *node) client() *client.Client {
	n.t.Helper()
	c, err := client.New(client.Config{URL: n.URL(), Token: client.NewSecret(n.root)})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) generate(req api.GenerateRequest) (token api.Token, secret string) {
	n.t.Helper()
	g, err := n.client().Generate(n.t.Context(), req)
	if err != nil {
		n.t.Fatal(err)
	}
	return g.Value.Token, g.Value.Secret.Reveal()
}

func (n *node) revoke(id string) {
	n.t.Helper()
	if _, err := n.client().Revoke(n.t.Context(), id, api.RevokeRequest{}); err != nil {
		n.t.Fatal(err)
	}
}

// addr is where the node listens.
func (n *node) addr() string { return strings.TrimPrefix(n.URL(), "http://") }

// program gives the path of a program that is not ours.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed; run make tools, which installs what these tests need", name)
	return ""
}

// freeAddr gives a loopback address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// readRepo reads a file by its path in the repository.
func readRepo(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
