package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// tool runs the program as a person does.
func (n *node) tool(ctx context.Context, args ...string) *exec.Cmd {
	n.t.Helper()
	path, err := binary()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"HOME=" + n.dir, "PATH=" + n.dir, "TOKENLEDGER_URL=" + n.url, noSleepAtExit}
	return cmd
}

// TestTheCommandLineSignsIn runs login, whoami and logout against a node, an issuer and a
// browser.
func TestTheCommandLineSignsIn(t *testing.T) {
	t.Parallel()
	n := newNodeForPeople(t)
	n.startForPeople()
	file := filepath.Join(n.dir, "session")
	login := func(person string, args ...string) (string, error) {
		t.Helper()
		cmd := n.tool(t.Context(), append([]string{"login", "--no-browser"}, args...)...)
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		var said strings.Builder
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if to := strings.TrimSpace(lines.Text()); strings.HasPrefix(to, n.url) {
				b := n.browser()
				// A stranger on this machine comes first, without the state.
				back := to[strings.Index(to, "127.0.0.1%3A"):]
				back = "http://" + strings.Replace(back[:strings.Index(back, "%2Fsigned-in")], "%3A", ":", 1)
				if page := b.Get(back + "/signed-in?code=x&state=y"); page.Status != 400 {
					t.Errorf("a stranger: %d %s", page.Status, page.Body)
				}
				if page := b.SignIn(to, person); page.Status != 200 || !strings.Contains(page.Body, "You are signed in") {
					t.Errorf("%d %s", page.Status, page.Body)
				}
			}
		}
		_, _ = io.Copy(io.Discard, stderr)
		err = cmd.Wait()
		if strings.Contains(said.String(), "tl_") {
			t.Errorf("the token is shown: %s", said.String())
		}
		return stdout.String() + said.String(), err
	}
	if said, err := login("anil", "--token-file", file); err != nil || !strings.Contains(said, "anil@acme.example") || !strings.Contains(said, "admin") || strings.Contains(said, "tl_") {
		t.Fatalf("%v %s", err, said)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	raw, _ := os.ReadFile(file)
	first := strings.TrimSpace(string(raw))
	out, err := n.tool(t.Context(), "whoami", "--token-file", file, "--json").Output()
	if s := decoded[api.Session](t, out); err != nil || s.Actor.Type != "person" || s.Actor.Name != "anil@acme.example" {
		t.Errorf("%v %s", err, out)
	}
	// A file that is there stays, whatever it is.
	if said, err := login("anil", "--token-file", file); err == nil || !strings.Contains(said, "--replace") {
		t.Errorf("%v %s", err, said)
	}
	if again, _ := os.ReadFile(file); !bytes.Equal(raw, again) {
		t.Error("the file was changed")
	}
	if said, err := login("cleo", "--token-file", file, "--replace", "--tenant", "acme"); err != nil || !strings.Contains(said, "acme") {
		t.Errorf("%v %s", err, said)
	}
	n.must(200, "GET", "/v1/session", first, "")
	out, err = n.tool(t.Context(), "logout", "--token-file", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Signed out") {
		t.Errorf("%v %s", err, out)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the token file is still there: %v", err)
	}
	// A token that is no session stays, and so does its file.
	if out, err := n.tool(t.Context(), "logout", "--token-file", n.tokenFile()).CombinedOutput(); err == nil || !strings.Contains(string(out), "not_a_session") {
		t.Errorf("%v %s", err, out)
	}
	if _, err := os.Stat(n.tokenFile()); err != nil {
		t.Error(err)
	}
	if out, err := login("anil", "--print-token"); err != nil || !strings.HasPrefix(out, "tl_") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := n.tool(t.Context(), "login").CombinedOutput(); err == nil || !strings.Contains(string(out), "--token-file") {
		t.Errorf("%v %s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(n.dir, ".session*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
