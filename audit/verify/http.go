package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultTimeout is how long one answer may take.
	DefaultTimeout = 30 * time.Second
	// httpWorkers is how many chunks are on their way at once.
	httpWorkers = 8
	// tries is how often a server that is busy or broken is asked.
	tries = 4
	// maxPause bounds how long it is left alone in between.
	maxPause = 10 * time.Second
)

// HTTPConfig is what [HTTP] works with.
type HTTPConfig struct {
	// URL is the base below which the checkpoint and tile/ are. It is taken as it is.
	URL string
	// Token, if not "", is sent as a bearer token. Then no redirection is followed:
	// it is for this server alone.
	Token string
	// UserAgent is sent if it is not "".
	UserAgent string
	// Timeout is how long one answer may take; zero is [DefaultTimeout].
	Timeout time.Duration
}

// URLError says that a base URL cannot be used.
type URLError struct{ Problem string }

func (e *URLError) Error() string { return "the URL " + e.Problem }

// httpLog is a log behind a URL.
type httpLog struct {
	tiles
	getter
}

// HTTP is https://c2sp.org/tlog-tiles behind a URL. Answers are bounded in size and
// time; a server that answers 429 or 5xx is asked again, a few times. Its errors are
// an [*UnreachableError] or a [*StatusError], beside those of [Verify]; that of HTTP
// itself is a [*URLError].
func HTTP(cfg HTTPConfig) (Source, error) {
	g, err := newGetter(cfg)
	if err != nil {
		return nil, err
	}
	h := &httpLog{getter: g}
	h.get = g.append
	return h, nil
}

// Get gets a file of at most limit bytes below a base URL, with the same care as [HTTP].
func Get(ctx context.Context, cfg HTTPConfig, path string, limit int64) ([]byte, error) {
	g, err := newGetter(cfg)
	if err != nil {
		return nil, err
	}
	defer g.client.CloseIdleConnections()
	b, err := g.append(ctx, nil, path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &StatusError{g.where(path).Redacted(), http.StatusNotFound}
	}
	return b, err
}

func (h *httpLog) workers() int { return httpWorkers }

func (h *httpLog) survey(context.Context) ([]Warning, error) { return nil, nil }

func (h *httpLog) finish(context.Context) ([]Warning, error) { return nil, nil }

func (h *httpLog) close() error {
	h.client.CloseIdleConnections()
	return nil
}

// getter gets files.
type getter struct {
	cfg    HTTPConfig
	base   *url.URL
	client *http.Client
}

func newGetter(cfg HTTPConfig) (getter, error) {
	base, err := url.Parse(cfg.URL)
	switch {
	case err != nil:
		return getter{}, &URLError{"is none"} // its text would show what is in it
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return getter{}, &URLError{"must begin with http:// or https:// and name a host"}
	case base.RawQuery != "" || base.Fragment != "" || base.ForceQuery:
		return getter{}, &URLError{"must not have a query or a fragment: paths are added to it"}
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = httpWorkers
	client := &http.Client{Transport: transport, Timeout: cfg.Timeout}
	if cfg.Token != "" {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return getter{cfg, base, client}, nil
}

func (g *getter) where(path string) *url.URL {
	u := *g.base
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/"+path, ""
	return &u
}

// append implements get of [tiles].
func (g *getter) append(ctx context.Context, b []byte, path string, limit int64) ([]byte, error) {
	pause := 250 * time.Millisecond
	for try := 1; ; try++ {
		got, again, err := g.once(ctx, b, path, limit)
		if again < 0 || try == tries || err == nil {
			return got, err
		}
		select {
		case <-time.After(max(again, pause)):
		case <-ctx.Done():
			return b, context.Cause(ctx)
		}
		pause *= 2
	}
}

// once asks once. again is negative where it is no use to ask again, or how long the
// server wants to be left alone.
func (g *getter) once(ctx context.Context, b []byte, path string, limit int64) (_ []byte, again time.Duration, err error) {
	where := g.where(path)
	shown := where.Redacted()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), http.NoBody)
	if err != nil {
		return b, -1, &URLError{"is none"}
	}
	if g.cfg.UserAgent != "" {
		req.Header.Set("User-Agent", g.cfg.UserAgent)
	}
	if g.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+g.cfg.Token)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return b, -1, g.unreachable(ctx, shown, err)
	}
	defer resp.Body.Close()
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
	case status == http.StatusNotFound || status == http.StatusGone:
		return b, -1, &fs.PathError{Op: "get", Path: shown, Err: fs.ErrNotExist}
	case status == http.StatusServiceUnavailable && saysDamaged(resp):
		return b, -1, bad(path, hintKeep, "the node itself says that its audit log is not what was written there")
	case status == http.StatusTooManyRequests || status >= 500:
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			seconds = 0
		}
		return b, min(time.Duration(seconds)*time.Second, maxPause), &StatusError{shown, status}
	default:
		return b, -1, &StatusError{shown, status}
	}
	at := len(b)
	body := io.LimitReader(resp.Body, limit+1)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)-at) > limit:
			return b[:at], -1, fmt.Errorf("%s: %w", shown, errTooLarge)
		case errors.Is(err, io.EOF):
			return b, -1, nil
		case err != nil:
			return b[:at], -1, g.unreachable(ctx, shown, err)
		}
	}
}

// saysDamaged reports that an answer is a node's refusal to give what is damaged on its
// disk. To ask again does not mend it.
func saysDamaged(resp *http.Response) bool {
	var problem struct {
		Code string `json:"code"`
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && media == "application/problem+json" &&
		json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&problem) == nil && problem.Code == "audit_log_damaged"
}

func (g *getter) unreachable(ctx context.Context, shown string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return &UnreachableError{shown, fmt.Errorf("no answer within %s", g.cfg.Timeout)}
		}
		err = u.Err
	}
	return &UnreachableError{shown, err}
}
