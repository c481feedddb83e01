package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/server"
)

// shifted is a clock that a test moves ahead.
type shifted struct{ by atomic.Int64 }

func (c *shifted) now() time.Time          { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *shifted) set(ahead time.Duration) { c.by.Store(int64(ahead)) }

// inProcess starts a node in this process, by the clock.
func inProcess(t *testing.T, clock *shifted, policy commands.Policy) *client.Client {
	t.Helper()
	dir := t.TempDir()
	s, err := server.Start(t.Context(), server.Config{
		DataDir: filepath.Join(dir, "data"), HTTP: "127.0.0.1:0", NATSListen: "off", BootstrapTokenFile: filepath.Join(dir, "root"),
		TokenPrefix: "tl", UsageWindow: 20 * time.Millisecond, MaxStaleness: 2 * time.Second, Policy: policy,
		Stdout: io.Discard, Logger: slog.New(slog.DiscardHandler), Now: clock.now,
		UnusedFirst: 10 * time.Millisecond, UnusedEvery: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	root, err := os.ReadFile(filepath.Join(dir, "root"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: s.URL(), Token: client.NewSecret(strings.TrimSpace(string(root)))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const day = 24 * time.Hour

// TestThePolicyOnUnusedTokens shows which tokens it ends, and which never.
func TestThePolicyOnUnusedTokens(t *testing.T) {
	t.Parallel()
	var clock shifted
	c := inProcess(t, &clock, commands.Policy{RevokeUnused: 2 * day})
	late := time.Now().Add(10 * day)
	idle, _ := generate(t, c, api.GenerateRequest{Name: "idle"})
	theirs, _ := generate(t, c, api.GenerateRequest{Name: "idle too", Tenant: "acme"})
	busy, secret := generate(t, c, api.GenerateRequest{Name: "busy"})
	pending, _ := generate(t, c, api.GenerateRequest{Name: "pending", NotBefore: &late})
	suspended, _ := generate(t, c, api.GenerateRequest{Name: "suspended"})
	resumed, _ := generate(t, c, api.GenerateRequest{Name: "resumed"})
	root, _ := generate(t, c, api.GenerateRequest{Name: "spare root", Scopes: []string{"ledger:root"}})
	for _, tok := range []api.Token{suspended, resumed} {
		if _, err := c.Suspend(t.Context(), tok.ID, api.SuspendRequest{}); err != nil {
			t.Fatal(err)
		}
	}

	clock.set(2 * day)
	if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: secret}); err != nil || !a.Active {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := c.Resume(t.Context(), resumed.ID, api.SuspendRequest{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the use is on record", func(ctx context.Context) bool {
		tok, err := c.Token(ctx, busy.ID)
		return err == nil && tok.UseCount == 1
	})
	// The time is over, the margin is not.
	page, err := c.Unused(t.Context(), api.UnusedRequest{For: "2d"})
	if err != nil {
		t.Fatal(err)
	}
	var report []string
	for _, u := range page.Tokens {
		report = append(report, fmt.Sprint(u.Token.Name, " ", u.DaysUnused, " ", u.PolicyRevokesAt != nil))
		if u.Token.ID == idle.ID && !u.PolicyRevokesAt.Equal(idle.CreatedAt.Add(2*day+time.Hour)) {
			t.Errorf("the policy revokes what was generated at %s at %s", idle.CreatedAt, u.PolicyRevokesAt)
		}
	}
	if want := "[idle 2 true resumed 2 true spare root 2 false]"; fmt.Sprint(report) != want {
		t.Errorf("unused are %v, want %s", report, want)
	}

	clock.set(2*day + 61*time.Minute)
	for _, tok := range []api.Token{idle, theirs} {
		eventually(t, "the idle token is revoked", func(ctx context.Context) bool {
			got, err := c.Token(ctx, tok.ID)
			return err == nil && got.Status == "revoked" && got.ReasonCode == "unused" && got.RevokedBy == "" && strings.Contains(got.RevokeReason, "2d")
		})
	}
	for _, tok := range []api.Token{busy, pending, suspended, resumed, root} {
		if got, err := c.Token(t.Context(), tok.ID); err != nil || got.RevokedAt != nil {
			t.Errorf("%s: %+v, %v", tok.Name, got, err)
		}
	}
	h, err := c.History(t.Context(), idle.ID, client.HistoryRequest{})
	if err != nil || len(h.Events) != 2 || !bytes.Contains(h.Events[1].Event, []byte(`"type":"system"`)) {
		t.Errorf("the history: %+v, %v", h.Events, err)
	}
}

// TestUnusedTokensAreListedPageByPage shows that the pages of one listing count from one
// moment, and that nobody sees those of another tenant.
func TestUnusedTokensAreListedPageByPage(t *testing.T) {
	t.Parallel()
	var clock shifted
	c := inProcess(t, &clock, commands.Policy{})
	for i := range 5 {
		generate(t, c, api.GenerateRequest{Name: fmt.Sprint("old ", i), Site: "shop"})
	}
	generate(t, c, api.GenerateRequest{Name: "elsewhere", Site: "blog"})
	clock.set(100 * day)
	_, reader := generate(t, c, api.GenerateRequest{Name: "reader", Tenant: "acme", Scopes: []string{"ledger:tokens:read"}})
	generate(t, c, api.GenerateRequest{Name: "new", Site: "shop"})
	var names []string
	for u, err := range c.UnusedAll(t.Context(), api.UnusedRequest{Site: "shop", Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, u.Token.Name)
		if u.DaysUnused != 100 || u.PolicyRevokesAt != nil {
			t.Errorf("%+v", u)
		}
		clock.set(100*day + time.Duration(len(names))*time.Second)
	}
	if fmt.Sprint(names) != "[old 0 old 1 old 2 old 3 old 4]" {
		t.Errorf("unused are %v", names)
	}
	theirs, err := client.New(client.Config{URL: c.URL(), Token: client.NewSecret(reader)})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if page, err := theirs.Unused(t.Context(), api.UnusedRequest{}); err != nil || len(page.Tokens) != 0 {
		t.Errorf("of another tenant: %+v, %v", page, err)
	}
	for _, tc := range []struct {
		req  api.UnusedRequest
		code string
	}{
		{api.UnusedRequest{For: "soon"}, "for_invalid"},
		{api.UnusedRequest{For: "0s"}, "for_invalid"},
		{api.UnusedRequest{Cursor: "x"}, "cursor_invalid"},
		{api.UnusedRequest{Cursor: "zz.x"}, "cursor_invalid"},
		{api.UnusedRequest{Cursor: "zzzzzzzzzzzzzzzz.x"}, "cursor_invalid"},
		{api.UnusedRequest{Tenant: "default"}, "wrong_tenant"},
	} {
		if _, err := theirs.Unused(t.Context(), tc.req); err == nil || !strings.Contains(fmt.Sprintf("%+v", problem(err)), tc.code) {
			t.Errorf("%+v: %v", tc.req, err)
		}
	}
}

func problem(err error) api.Problem {
	if e, ok := err.(*client.Error); ok { //nolint:errorlint // it is the client's own
		return e.Problem
	}
	return api.Problem{}
}
