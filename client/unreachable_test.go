package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

func TestAnswersThatAreNoLedgersAreErrors(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a web page":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello") },
		"not JSON":      func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "a string") },
		"no media type": func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil; fmt.Fprint(w, "{}") },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 70 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"id":`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, h)
			_, err := c.Token(t.Context(), id)
			var ae *client.AnswerError
			if !errors.As(err, &ae) || ae.Status != 200 {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var stolen bool
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen = true
		answer(w, 200, struct{}{})
	}))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(thief.URL, status))
		// The caller's own client would follow.
		own := &http.Client{Transport: &http.Transport{}}
		c := connect(t, client.Config{URL: s.URL, Token: client.NewSecret(bearer), HTTPClient: own})
		_, err := c.Token(t.Context(), id)
		var e *client.Error
		if !errors.As(err, &e) || e.Status != status || !strings.Contains(err.Error(), thief.URL) {
			t.Errorf("a redirect %d gave %v", status, err)
		}
		if own.CheckRedirect != nil {
			t.Error("the caller's HTTP client was changed")
		}
		own.CloseIdleConnections()
		s.Close()
	}
	if stolen {
		t.Error("a redirect was followed")
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	c := connect(t, client.Config{URL: url, Token: client.NewSecret(bearer)})
	_, err = c.Generate(t.Context(), api.GenerateRequest{Name: "n"})
	var ue *client.UnreachableError
	if !errors.As(err, &ue) || ue.Unknown || ue.URL != url {
		t.Fatalf("the error is %#v", err)
	}
	for _, part := range []string{url, "connection refused", "tokenledger serve", "TOKENLEDGER_URL"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q says nothing of %q", err, part)
		}
	}
}

func TestAWriteWithoutAnAnswerIsUnknown(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	var ue *client.UnreachableError
	if _, err := c.Revoke(t.Context(), id, api.RevokeRequest{}); !errors.As(err, &ue) || !ue.Unknown {
		t.Errorf("a write gave %v", err)
	}
	if _, err := c.Token(t.Context(), id); !errors.As(err, &ue) || ue.Unknown {
		t.Errorf("a read gave %v", err)
	}
}

func TestTheTimeAllowedRunsOut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	c := connect(t, client.Config{URL: s.URL, Timeout: time.Millisecond})
	_, err := c.Token(t.Context(), id)
	var ue *client.UnreachableError
	if !errors.As(err, &ue) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "in the time allowed") {
		t.Errorf("the error is %v", err)
	}
}
