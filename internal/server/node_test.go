package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/internal/signin/signintest"
)

// binary builds the program once for all tests of the package.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tokenledger-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tokenledger")
	out, err := exec.Command("go", "build", raceFlag, "-o", path, "github.com/tokenledger/tokenledger/cmd/tokenledger").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// noSleepAtExit is for every run of the program: the race detector sleeps a second at
// every exit unless it is told not to.
const noSleepAtExit = "GORACE=atexit_sleep_ms=0"

// node is a real process with a data directory of its own.
type node struct {
	t         *testing.T
	dir, data string
	args      []string
	cmd       *exec.Cmd
	url, nats string
	token     string
	log       *nodeLog
	exited    chan error
	issuer    *signintest.Issuer // nil where people cannot sign in
}

func newNode(t *testing.T, args ...string) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{t: t, dir: dir, data: filepath.Join(dir, "data"), args: args, log: new(nodeLog)}
	t.Cleanup(func() {
		if n.cmd != nil {
			_ = n.cmd.Process.Kill()
			<-n.exited
		}
		if t.Failed() {
			t.Logf("the node's log:\n%s", tail(n.log.String(), 8000))
		}
	})
	return n
}

// nodeLog is what the process has written, to be read while it runs.
type nodeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *nodeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *nodeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *nodeLog) Len() int { return len(l.String()) }

func (l *nodeLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// launch starts the process and does not wait for it to be ready.
func (n *node) launch() {
	n.t.Helper()
	path, err := binary()
	if err != nil {
		n.t.Fatal(err)
	}
	_ = os.Remove(n.readyFile())
	args := append([]string{
		"serve", "--data", n.data, "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0",
		"--ready-file", n.readyFile(), "--bootstrap-token-file", n.tokenFile(),
	}, n.args...)
	n.cmd = exec.Command(path, args...)
	// Nothing of the machine's own settings gets in.
	n.cmd.Env = []string{"HOME=" + n.dir, "PATH=" + os.Getenv("PATH"), noSleepAtExit}
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(n.cmd, n.exited)
}

func (n *node) readyFile() string { return filepath.Join(n.dir, "ready.json") }
func (n *node) tokenFile() string { return filepath.Join(n.dir, "root-token") }

// start launches the node and waits until it is ready.
func (n *node) start() {
	n.t.Helper()
	n.launch()
	deadline := time.Now().Add(time.Minute)
	for {
		raw, err := os.ReadFile(n.readyFile())
		if err == nil {
			var ready struct {
				HTTP, NATS string
				PID        int
			}
			if err := json.Unmarshal(raw, &ready); err != nil {
				n.t.Fatal(err)
			}
			if ready.PID == n.cmd.Process.Pid {
				n.url, n.nats = ready.HTTP, ready.NATS
				break
			}
		}
		select {
		case err := <-n.exited:
			n.exited <- err
			n.t.Fatalf("the node ended before it was ready: %v\n%s", err, tail(n.log.String(), 8000))
		default:
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the node does not get ready:\n%s", tail(n.log.String(), 8000))
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n.token == "" {
		raw, err := os.ReadFile(n.tokenFile())
		if err != nil {
			n.t.Fatal(err)
		}
		n.token = strings.TrimSpace(string(raw))
	}
}

// end waits for the process to end by itself and gives its exit code.
func (n *node) end() int {
	n.t.Helper()
	select {
	case <-n.exited:
		code := n.cmd.ProcessState.ExitCode()
		n.cmd = nil
		return code
	case <-time.After(time.Minute):
		n.t.Fatalf("the node does not end:\n%s", tail(n.log.String(), 8000))
		return 0
	}
}

// kill ends the process at once.
func (n *node) kill() {
	n.t.Helper()
	if err := n.cmd.Process.Kill(); err != nil {
		n.t.Fatal(err)
	}
	<-n.exited
	n.cmd = nil
}

// stop ends the process in order.
func (n *node) stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	if code := n.end(); code != 0 {
		n.t.Fatalf("the node ended with %d:\n%s", code, tail(n.log.String(), 8000))
	}
}

func (n *node) client() *client.Client { return n.as(n.token) }

// as gives a client that calls with the token.
func (n *node) as(token string) *client.Client {
	n.t.Helper()
	c, err := client.New(client.Config{URL: n.url, Token: client.NewSecret(token)})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// eventually waits for a condition that comes without anybody's doing.
func eventually(t *testing.T, what string, condition func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !condition(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("in a minute it did not come to this: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
