package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

func TestAuditQuestionsOnTheWire(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		switch r.URL.Path {
		case "/v1/audit/checkpoint", "/v1/audit/key", "/v1/audit/proofs/17":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprintln(w, "text of", r.URL.Path)
		default:
			answer(w, 200, struct{}{})
		}
	})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, err := range []error{
		second(c.AuditEvents(t.Context(), api.AuditEventsRequest{Actor: "a b", Token: id, IP: "::1", Kind: "used", Since: at, Until: at.Add(1), Limit: 7, Cursor: "1.2", Proof: true})),
		second(c.AuditEvents(t.Context(), api.AuditEventsRequest{})),
		second(c.AsOf(t.Context(), api.AsOfRequest{Time: at, Site: "s", Owner: "o", Scope: "x", Status: "active", Tenant: "acme"})),
		second(c.AsOf(t.Context(), api.AsOfRequest{Seq: 5})),
		second(c.AsOf(t.Context(), api.AsOfRequest{Seq: 5, Count: true})),
		second(c.Diff(t.Context(), api.DiffRequest{From: "5", To: "2026-03-01T12:00:00Z"})),
		second(c.Trace(t.Context(), api.TraceRequest{Token: "name"})),
		second(c.Consistency(t.Context(), 300, 0)), second(c.Consistency(t.Context(), 300, 4711)),
		second(c.Checkpoint(t.Context())), second(c.LogKey(t.Context())), second(c.AuditProof(t.Context(), 17)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"GET /v1/audit/events?actor=a+b&cursor=1.2&ip=%3A%3A1&kind=used&limit=7&proof=true&since=2026-03-01T12%3A00%3A00Z&token=" + id + "&until=2026-03-01T12%3A00%3A00.000000001Z",
		"GET /v1/audit/events",
		"GET /v1/audit/as-of?owner=o&scope=x&site=s&status=active&tenant=acme&time=2026-03-01T12%3A00%3A00Z",
		"GET /v1/audit/as-of?seq=5", "GET /v1/audit/as-of?count=true&seq=5",
		"GET /v1/audit/diff?from=5&to=2026-03-01T12%3A00%3A00Z",
		"POST /v1/audit/trace", "GET /v1/audit/consistency?from=300", "GET /v1/audit/consistency?from=300&to=4711", "GET /v1/audit/checkpoint", "GET /v1/audit/key", "GET /v1/audit/proofs/17",
	}
	if strings.Join(asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked:\n%s\nwant:\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
	if key, _ := c.LogKey(t.Context()); key != "text of /v1/audit/key" {
		t.Errorf("the key is %q", key)
	}
}

func second[T any](_ T, err error) error { return err }

func TestATracedSecretShowsInNoError(t *testing.T) {
	const leaked = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAW_876543210JIHGFEDCBAjihgfedcba9876543210"
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		problem(w, api.Problem{Status: 404, Code: "token_not_found", Detail: "no " + leaked})
	})
	if _, err := c.Trace(t.Context(), api.TraceRequest{Secret: leaked}); err == nil || strings.Contains(err.Error(), leaked[30:]) {
		t.Error(err)
	}
	_, err := c.Trace(t.Context(), api.TraceRequest{Token: leaked})
	if _, refused := errors.AsType[*client.ArgumentError](err); !refused || strings.Contains(err.Error(), leaked[30:]) {
		t.Error(err)
	}
	foreign := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	if _, err := foreign.Checkpoint(t.Context()); err == nil {
		t.Error("a page was taken for a checkpoint")
	}
}
