package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// SignInRequest says how a person signs in.
type SignInRequest struct {
	// Tenant is the one to work on; empty is the only one that the person has a role in.
	Tenant string
	// Open is given the URL that the person's browser has to open. It returns at once.
	Open func(url string) error
}

// SignedIn is a person's session.
type SignedIn struct {
	// Secret is the session's token. It is in this answer and never again.
	Secret Secret
	Token  api.Token
	Roles  []string
}

// pathOfCode is where the browser comes back to.
const pathOfCode = "/signed-in"

// SignIn has a person sign in with the browser of this machine (RFC 8252): it listens on
// the loopback, waits until the browser comes back with a code, and gets the session for
// it. The token stands in no URL. It ends with ctx, which should have a bound: nobody
// tells whether the person has gone away. Config.Token is not needed.
func (c *Client) SignIn(ctx context.Context, req SignInRequest) (SignedIn, error) {
	if c.exposed {
		return SignedIn{}, fmt.Errorf("cannot sign in at %s: %w", c.base, ErrPlaintext)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return SignedIn{}, fmt.Errorf("cannot listen on this machine for the browser to come back: %w", err)
	}
	w := waiter{host: listener.Addr().String(), state: rand.Text(), code: make(chan string, 1)}
	verifier := rand.Text() + rand.Text()
	server := &http.Server{Handler: &w, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	defer func() {
		// The browser gets the answer to its last request.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			_ = server.Close()
		}
		<-done
	}()
	if err := req.Open(c.loginURL(req.Tenant, &w, verifier)); err != nil {
		return SignedIn{}, err
	}
	select {
	case <-ctx.Done():
		return SignedIn{}, fmt.Errorf("nobody has signed in: %w", context.Cause(ctx))
	case code := <-w.code:
		return c.redeem(ctx, code, verifier)
	}
}

func (c *Client) loginURL(tenant string, w *waiter, verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"redirect_uri": {"http://" + w.host + pathOfCode}, "state": {w.state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if tenant != "" {
		q.Set("tenant", tenant)
	}
	to := c.base.JoinPath("v1/session/login")
	to.RawQuery = q.Encode()
	return to.String()
}

// redeem gets the session that the code stands for.
func (c *Client) redeem(ctx context.Context, code, verifier string) (SignedIn, error) {
	w, err := write[api.SessionOpened](ctx, c, call{method: http.MethodPost, path: "v1/session/token", body: api.SessionTokenRequest{Code: code, CodeVerifier: verifier}}, nil)
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Secret: NewSecret(w.Value.Secret), Token: w.Value.Token, Roles: w.Value.Roles}, nil
}

// waiter takes the code out of the one request that bears the right state.
type waiter struct {
	host, state string
	code        chan string
}

// ServeHTTP implements [http.Handler].
func (w *waiter) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	h := out.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	code := q.Get("code")
	switch {
	case r.Method != http.MethodGet || r.URL.Path != pathOfCode || r.Host != w.host:
		http.Error(out, "There is nothing here.", http.StatusNotFound)
		return
	case code == "" || len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(w.state)) != 1:
		http.Error(out, "This is not the sign-in that the program waits for.", http.StatusBadRequest)
		return
	}
	select {
	case w.code <- code:
		_, _ = fmt.Fprintln(out, "You are signed in at the ledger, and the program goes on. This page can be closed.")
	default:
		http.Error(out, "The program has its code already.", http.StatusConflict)
	}
}
