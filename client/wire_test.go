package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// bearer has a token's form, and opens nothing.
	bearer = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAV_0123456789abcdefghijABCDEFGHIJ012345678"
	id     = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
)

// serve runs a server for one test and gives a client of it.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return connect(t, client.Config{URL: s.URL, Token: client.NewSecret(bearer)})
}

func connect(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func problem(w http.ResponseWriter, p api.Problem) {
	w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func TestEachCallGoesToItsPlaceWithItsBody(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	name := "new name"
	for what, tc := range map[string]struct {
		call func(context.Context, *client.Client) error
		want string
		body string
	}{
		"token": {func(ctx context.Context, c *client.Client) error { _, err := c.Token(ctx, id); return err },
			"GET /v1/tokens/" + id, ""},
		"list": {func(ctx context.Context, c *client.Client) error {
			_, err := c.List(ctx, api.ListRequest{Site: "a b&c", Status: "active", UnusedSince: at, Limit: 5})
			return err
		}, "GET /v1/tokens?limit=5&site=a+b%26c&status=active&unused_since=2026-02-28T23%3A00%3A00Z", ""},
		"generate": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Generate(ctx, api.GenerateRequest{Name: "n", TTL: "90d"})
			return err
		}, "POST /v1/tokens", `{"name":"n","ttl":"90d"}`},
		"revoke": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Revoke(ctx, id, api.RevokeRequest{ReasonCode: "leaked"})
			return err
		}, "POST /v1/tokens/" + id + "/revoke", `{"reason_code":"leaked"}`},
		"rotate": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Rotate(ctx, id, api.RotateRequest{Grace: "24h"})
			return err
		}, "POST /v1/tokens/" + id + "/rotate", `{"grace":"24h"}`},
		"suspend": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Suspend(ctx, id, api.SuspendRequest{})
			return err
		}, "POST /v1/tokens/" + id + "/suspend", `{}`},
		"resume": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Resume(ctx, id, api.SuspendRequest{Reason: "found"})
			return err
		}, "POST /v1/tokens/" + id + "/resume", `{"reason":"found"}`},
		"update": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Update(ctx, id, api.UpdateRequest{Name: &name})
			return err
		}, "PATCH /v1/tokens/" + id, `{"name":"new name"}`},
		"bulk revoke": {func(ctx context.Context, c *client.Client) error {
			_, err := c.BulkRevoke(ctx, api.BulkRevokeRequest{Filter: api.Filter{Site: "s"}, DryRun: true})
			return err
		}, "POST /v1/tokens/revoke", `{"filter":{"site":"s"},"dry_run":true}`},
		"history": {func(ctx context.Context, c *client.Client) error {
			_, err := c.History(ctx, id, client.HistoryRequest{Cursor: "9"})
			return err
		}, "GET /v1/tokens/" + id + "/history?cursor=9", ""},
		"validate": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Validate(ctx, api.ValidateRequest{Token: "t", Scopes: []string{"a"}, MinSeq: 7})
			return err
		}, "POST /v1/tokens/validate", `{"token":"t","scopes":["a"],"min_seq":7}`},
		"report leaks": {func(ctx context.Context, c *client.Client) error {
			_, err := c.ReportLeaks(ctx, api.LeaksRequest{Leaks: []api.LeakReport{{Token: "t", URL: "u"}, {SHA256: "h"}}})
			return err
		}, "POST /v1/leaks", `{"leaks":[{"token":"t","url":"u"},{"sha256":"h"}]}`},
		"projections": {func(ctx context.Context, c *client.Client) error { _, err := c.Projections(ctx); return err },
			"GET /v1/projections", ""},
		"health": {func(ctx context.Context, c *client.Client) error { _, err := c.Health(ctx); return err },
			"GET /healthz", ""},
		"ready": {func(ctx context.Context, c *client.Client) error { _, err := c.Ready(ctx); return err },
			"GET /readyz", ""},
	} {
		t.Run(what, func(t *testing.T) {
			var got, body, auth string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got, body, auth = r.Method+" "+r.URL.RequestURI(), string(b), r.Header.Get("Authorization")
				answer(w, 200, struct{}{})
			})
			if err := tc.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if got != tc.want || body != tc.body || auth != "Bearer "+bearer {
				t.Errorf("the server saw %s %s; want %s %s", got, body, tc.want, tc.body)
			}
		})
	}
}

func TestAPathBeforeTheBaseIsKept(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Path
		answer(w, 200, api.Token{})
	}))
	defer s.Close()
	c := connect(t, client.Config{URL: s.URL + "/ledger/"})
	if _, err := c.Token(t.Context(), id); err != nil || got != "/ledger/v1/tokens/"+id {
		t.Errorf("asked for %s, %v", got, err)
	}
}

func TestAWriteTellsItsSequenceAndWhetherItIsARepeat(t *testing.T) {
	seen := map[string]int{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		seen[key]++
		w.Header().Set("Ledger-Seq", "42")
		g := api.Generated{Secret: bearer, Token: api.Token{ID: id}}
		if seen[key] > 1 {
			w.Header().Set("Idempotency-Replayed", "true")
			g.Secret, g.Note = "", "the secret was in the first answer"
		}
		answer(w, 201, g)
	})
	first, err := c.Generate(t.Context(), api.GenerateRequest{Name: "n"}, client.WithIdempotencyKey("k-1"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Seq != 42 || first.Replayed || first.Value.Secret.Reveal() != bearer || first.Value.Token.ID != id {
		t.Errorf("first answer: %v", first)
	}
	again, err := c.Generate(t.Context(), api.GenerateRequest{Name: "n"}, client.WithIdempotencyKey("k-1"))
	if err != nil {
		t.Fatal(err)
	}
	if !again.Replayed || !again.Value.Secret.IsZero() || again.Value.Note == "" {
		t.Errorf("second answer: %v", again)
	}
	var ae *client.ArgumentError
	if _, err := c.Revoke(t.Context(), id, api.RevokeRequest{}, client.WithIdempotencyKey("a\nb")); !errors.As(err, &ae) {
		t.Errorf("a key with a line break gave %v", err)
	}
}

func TestARefusalCarriesItsProblem(t *testing.T) {
	want := api.Problem{
		Type: "/docs/errors#forbidden", Title: "Forbidden", Status: 403, Code: "forbidden",
		Detail: "the token lacks ledger:tokens:write; nothing was changed", Hint: "ask an admin", RequestID: "r-1",
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		problem(w, want)
	})
	_, err := c.Token(t.Context(), id)
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is %v", err)
	}
	if diff := cmp.Diff(want, e.Problem); diff != "" || e.Status != 403 || e.RetryAfter != 7*time.Second {
		t.Errorf("status %d, retry after %v, problem (-want +got):\n%s", e.Status, e.RetryAfter, diff)
	}
	const text = "the token lacks ledger:tokens:write; nothing was changed (403 forbidden, request r-1); ask an admin"
	if e.Error() != text {
		t.Errorf("the error reads %q; want %q", e, text)
	}
}

func TestARefusalThatIsNotALedgersKeepsItsStatus(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "you sent "+r.Header.Get("Authorization"), http.StatusBadGateway)
	})
	_, err := c.Token(t.Context(), id)
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 502 || e.Problem.Code != "" {
		t.Fatalf("the error is %v", err)
	}
	if strings.Contains(err.Error(), "you sent") {
		t.Errorf("the foreign body shows: %v", err)
	}
}

func TestAllPagesAreGoneThrough(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("cursor") {
		case "":
			answer(w, 200, api.TokenList{Tokens: []api.Token{{ID: "1"}, {ID: "2"}}, NextCursor: "b"})
		case "b":
			answer(w, 200, api.TokenList{NextCursor: "c"}) // a page may be empty
		case "c":
			answer(w, 200, api.TokenList{Tokens: []api.Token{{ID: "3"}}})
		case "loop":
			answer(w, 200, api.TokenList{Tokens: []api.Token{{ID: "4"}}, NextCursor: "loop"})
		default:
			problem(w, api.Problem{Status: 400, Detail: "bad cursor"})
		}
	})
	ids := func(cursor string) (ids []string, err error) {
		for token, e := range c.ListAll(t.Context(), api.ListRequest{Cursor: cursor}) {
			if e != nil {
				err = e
				continue
			}
			ids = append(ids, token.ID)
		}
		return ids, err
	}
	if got, err := ids(""); err != nil || !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("all tokens are %v, %v", got, err)
	}
	if got, err := ids("loop"); err == nil || !slices.Equal(got, []string{"4"}) {
		t.Errorf("a cursor that repeats gave %v, %v", got, err)
	}
	var e *client.Error
	if _, err := ids("x"); !errors.As(err, &e) || e.Status != 400 {
		t.Errorf("a refused page gave %v", err)
	}
}

func TestAnEventOfTheHistoryKeepsItsBytes(t *testing.T) {
	const raw = `{"b":1,"a":"<&>","n":1.50}`
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"events":[{"seq":3,"received":"2026-03-01T00:00:00Z","subject":"ledger.a.used","event":%s}]}`, raw)
	})
	for e, err := range c.HistoryAll(t.Context(), id, client.HistoryRequest{}) {
		if err != nil || string(e.Event) != raw || e.Seq != 3 {
			t.Errorf("got %d %s, %v", e.Seq, e.Event, err)
		}
	}
}

func TestHealthTellsWhatIsWrong(t *testing.T) {
	want := api.Health{Status: "unavailable", Detail: "the stream is gone", Hint: "run doctor", Applied: 7}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 503, want) })
	got, err := c.Ready(t.Context())
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 503 || e.Problem.Detail != want.Detail || e.Problem.Hint != want.Hint {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
