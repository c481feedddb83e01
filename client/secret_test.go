package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

// hidden is the part of the token that nobody but its holder may know.
var hidden = bearer[30:]

func TestTheTokenShowsItselfNowhere(t *testing.T) {
	s := client.NewSecret(bearer)
	cfg := client.Config{Token: s, HTTPClient: &http.Client{}}
	c := connect(t, cfg)
	type unexported struct {
		s   client.Secret
		cfg client.Config
		c   *client.Client
	}
	made := client.Written[client.Generated]{Value: client.Generated{Secret: s}}
	values := []any{s, &s, cfg, &cfg, c, unexported{s, cfg, c}, &unexported{s, cfg, c}, made, &made, []client.Secret{s}, map[string]any{"k": s}}
	var out bytes.Buffer
	text, doc := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		text.Info("x", "v", v)
		doc.Info("x", "v", v)
	}
	for _, v := range []any{s, &s, made} {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	got := out.String()
	if strings.Contains(got, hidden) || strings.Contains(got, fmt.Sprintf("%x", hidden)) || strings.Contains(got, fmt.Sprintf("%X", hidden)) {
		t.Fatalf("the token shows:\n%s", got)
	}
	if !strings.Contains(got, "[secret]") {
		t.Error("nothing says that there is a token")
	}
	if s.Reveal() != bearer || client.NewSecret("").Reveal() != "" || !client.NewSecret("").IsZero() {
		t.Error("Reveal does not give what was put in")
	}
}

// Whoever answers may repeat what was sent; the error does not.
func TestAnEchoedTokenShowsInNoError(t *testing.T) {
	const checked = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAW_876543210JIHGFEDCBAjihgfedcba9876543210"
	for name, h := range map[string]http.HandlerFunc{
		"problem": func(w http.ResponseWriter, r *http.Request) {
			sent := r.Header.Get("Authorization") + " " + checked
			problem(w, api.Problem{Status: 400, Type: sent, Title: sent, Detail: sent, Code: sent, Hint: sent, RequestID: sent})
		},
		"page": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Authorization")+checked, 500)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/?t="+bearer+checked, 302) },
		"not JSON": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, map[string]string{"active": bearer + checked})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, h)
			_, err := c.Validate(t.Context(), api.ValidateRequest{Token: checked})
			if err == nil {
				t.Fatal("no error")
			}
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				for e := err; e != nil; e = errors.Unwrap(e) {
					if got := fmt.Sprintf(verb, e); strings.Contains(got, hidden) || strings.Contains(got, checked[30:]) {
						t.Errorf("the error shows a token: %s", got)
					}
				}
			}
		})
	}
}

func TestATokenDoesNotTravelInTheOpen(t *testing.T) {
	token := client.NewSecret(bearer)
	for url, want := range map[string]bool{
		"":                              true,
		"http://127.0.0.1:7480":         true,
		"http://127.9.9.9":              true,
		"http://[::1]:7480":             true,
		"http://[::ffff:127.0.0.1]":     true,
		"http://LocalHost:7480":         true,
		"https://ledger.example":        true,
		"http://ledger.example":         false,
		"http://10.0.0.1:7480":          false,
		"http://localhost.evil.example": false,
		"http://127.0.0.1.evil.example": false,
		"http://[::]:7480":              false,
	} {
		if _, err := client.New(client.Config{URL: url, Token: token}); (err == nil) != want || (err != nil && !errors.Is(err, client.ErrPlaintext)) {
			t.Errorf("New with %q gave %v", url, err)
		}
		if _, err := client.New(client.Config{URL: url, Token: token, AllowPlaintext: true}); err != nil {
			t.Errorf("New with %q gave %v though plain text is allowed", url, err)
		}
	}
	// Without a token of its own the client may ask for health, but not send
	// somebody else's.
	c := connect(t, client.Config{URL: "http://ledger.example"})
	if _, err := c.Validate(t.Context(), api.ValidateRequest{Token: bearer}); !errors.Is(err, client.ErrPlaintext) {
		t.Errorf("Validate gave %v", err)
	}
}

func TestArgumentsThatCannotBeUsed(t *testing.T) {
	var ae *client.ArgumentError
	for _, url := range []string{"ledger.example", "ftp://x", "http://", "http://u:" + bearer + "@x", "https://x/?t=1", "https://x/" + bearer, "http://x:y:z", "://"} {
		if _, err := client.New(client.Config{URL: url}); !errors.As(err, &ae) || strings.Contains(err.Error(), hidden) {
			t.Errorf("New with %q gave %v", url, err)
		}
	}
	if _, err := client.New(client.Config{Token: client.NewSecret(bearer + "\r\nX: y")}); !errors.As(err, &ae) || strings.Contains(err.Error(), hidden) {
		t.Errorf("a token with a line break gave %v", err)
	}
	c := connect(t, client.Config{})
	for _, id := range []string{"", ".", "..", "../validate", "01arz3ndektsv4rrffq69g5fav", bearer, id + "/revoke"} {
		if _, err := c.Token(t.Context(), id); !errors.As(err, &ae) || strings.Contains(err.Error(), hidden) {
			t.Errorf("Token(%q) gave %v", id, err)
		}
	}
	if _, err := c.Validate(t.Context(), api.ValidateRequest{}); !errors.As(err, &ae) {
		t.Errorf("Validate without a token gave %v", err)
	}
}
