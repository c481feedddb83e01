package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultURL is where a node listens that was told nothing else.
	DefaultURL = "http://127.0.0.1:7480"
	// DefaultTimeout bounds a call whose context has no deadline.
	DefaultTimeout = 30 * time.Second

	defaultUserAgent = "tokenledger-go-client"
)

// Config says which node to call, and as whom.
type Config struct {
	// URL is the base of the node, "https://ledger.example", with a path if a
	// proxy puts one before it. Empty is [DefaultURL].
	URL string
	// Token is the ledger token that calls are made with. Zero sends none, which
	// serves for [Client.Health] and [Client.Ready].
	Token Secret
	// HTTPClient makes the calls; nil is one of the client's own with its own
	// connections. A copy is used, and whatever it says of redirects is
	// overridden: none is followed.
	HTTPClient *http.Client
	// UserAgent is recorded by the ledger as the origin of what the client does.
	// Empty is "tokenledger-go-client".
	UserAgent string
	// Timeout bounds a call whose context has no deadline; 0 is
	// [DefaultTimeout], and below 0 there is no bound. An import, which takes as
	// long as its input, and a bulk revocation, which takes as long as there are
	// tokens, are bounded by their context alone.
	Timeout time.Duration
	// AllowPlaintext lets a token travel over plain HTTP to another machine,
	// where whoever is on the way can read it.
	AllowPlaintext bool
}

// ErrPlaintext says that a token would have travelled over plain HTTP to another
// machine. Nothing was sent.
var ErrPlaintext = errors.New("refusing to send a token over plain http to another machine, where it can be read on the way: use https, or allow plain text on purpose")

// Client calls one node. It is safe for use by many goroutines at once.
type Client struct {
	base      *url.URL
	token     Secret
	http      *http.Client
	ownHTTP   bool
	userAgent string
	timeout   time.Duration
	// exposed is set when tokens would travel over plain HTTP to another
	// machine, and that was not allowed.
	exposed bool
}

// New checks the configuration and makes a client. It does not call the node.
//
// The error is an [*ArgumentError] for a field that cannot be used, and wraps
// [ErrPlaintext] where a token would travel in the open.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.URL)
	if err != nil {
		return nil, err
	}
	// Checked here because the error must not repeat the value, whichever
	// version of net/http is below.
	if strings.Trim(cfg.Token.Reveal(), visibleASCII) != "" {
		return nil, &ArgumentError{"Config.Token", "holds a space, a line break or another character that no token has"}
	}
	c := &Client{
		base:      base,
		token:     cfg.Token,
		userAgent: cfg.UserAgent,
		timeout:   cfg.Timeout,
		exposed:   base.Scheme == "http" && !isLoopback(base.Hostname()) && !cfg.AllowPlaintext,
	}
	if c.exposed && !cfg.Token.IsZero() {
		return nil, fmt.Errorf("cannot use %s: %w", base, ErrPlaintext)
	}
	if c.userAgent == "" {
		c.userAgent = defaultUserAgent
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if cfg.HTTPClient != nil {
		own := *cfg.HTTPClient
		c.http = &own
	} else {
		c.http = &http.Client{Transport: newTransport()}
		c.ownHTTP = true
	}
	// A redirect is answered by whoever holds the address: following one would
	// hand the token to another.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// newTransport gives connections of the client's own, so that Close ends them
// and nobody else's.
func newTransport() http.RoundTripper {
	if shared, ok := http.DefaultTransport.(*http.Transport); ok {
		t := shared.Clone()
		t.MaxIdleConnsPerHost = 32
		return t
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment}
}

// newHTTP1Transport is newTransport without HTTP/2.
func newHTTP1Transport() http.RoundTripper {
	t, ok := newTransport().(*http.Transport)
	if ok {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		t.ForceAttemptHTTP2 = false
	}
	return t
}

// Close ends the idle connections that the client keeps. It leaves a
// Config.HTTPClient alone.
func (c *Client) Close() {
	if c.ownHTTP {
		c.http.CloseIdleConnections()
	}
}

// URL is the base that the client calls.
func (c *Client) URL() string { return c.base.String() }

// String says where the client calls. It never shows the token.
func (c *Client) String() string { return "tokenledger client of " + c.URL() }

// Format implements [fmt.Formatter] and gives [Client.String] for every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue implements [slog.LogValuer].
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

func parseBase(raw string) (*url.URL, error) {
	if raw == "" {
		raw = DefaultURL
	}
	base, err := url.Parse(raw)
	// The errors do not repeat what was given: it may hold a password.
	switch {
	case err != nil:
		return nil, &ArgumentError{"Config.URL", "is no URL; it looks like " + DefaultURL}
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, &ArgumentError{"Config.URL", "must begin with http:// or https://; it looks like " + DefaultURL}
	case base.Host == "" || base.Hostname() == "":
		return nil, &ArgumentError{"Config.URL", "names no host; it looks like " + DefaultURL}
	case base.User != nil:
		return nil, &ArgumentError{"Config.URL", "holds a user or password; the ledger takes a token, and not in the URL"}
	case base.RawQuery != "" || base.Fragment != "":
		return nil, &ArgumentError{"Config.URL", "holds a query or a fragment; give the base alone"}
	case LooksLikeToken(raw):
		return nil, &ArgumentError{"Config.URL", "holds something that looks like a token; a token is never part of a URL"}
	}
	return base, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// visibleASCII is every character that may stand in a token or a key.
const visibleASCII = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
