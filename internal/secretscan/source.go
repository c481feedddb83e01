package secretscan

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

const (
	// fresh is how long a key set that was fetched is used without asking again, stale
	// how long it is used if asking fails.
	fresh = time.Hour
	stale = 24 * time.Hour
	// again is the least time between two fetches, whatever the reason.
	again = time.Minute
	// fetchWithin bounds one fetch.
	fetchWithin = 10 * time.Second
)

// source is where the key set comes from. It is safe for concurrent use.
type source struct {
	file string
	url  string
	http *http.Client
	now  func() time.Time
	log  *slog.Logger

	// turn is held by whoever uses what follows; it can be waited for with a time limit.
	turn chan struct{}
	keys keySet
	// of a file
	seen os.FileInfo
	// of a URL
	etag               string
	fetchedAt, triedAt time.Time
	failed             error // the last fetch
}

// checkWhere reports what is neither a file's name nor an https URL.
func checkWhere(where string) error {
	scheme, _, isURL := strings.Cut(where, "://")
	if !isURL {
		return nil
	}
	u, err := url.Parse(where)
	if err != nil || scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("it is neither a file nor an https URL without credentials")
	}
	return nil
}

// open reads a file's keys, so that a mistake is noticed at the start. A URL is asked
// when the first message comes: a node starts without the network.
func (s *source) open() error {
	if s.url != "" {
		return nil
	}
	return s.reread()
}

// key gives the key of an identifier, nil for one that is not in the set.
func (s *source) key(ctx context.Context, identifier string) (*ecdsa.PublicKey, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx))
	}
	if s.url == "" {
		if err := s.reread(); err != nil {
			return nil, unavailable(err)
		}
		return s.keys[identifier], nil
	}
	now := s.now()
	old := now.Sub(s.fetchedAt)
	if s.keys[identifier] == nil || old >= fresh {
		if now.Sub(s.triedAt) >= again {
			s.triedAt = now
			if s.failed = s.fetch(ctx); s.failed != nil {
				s.log.Warn("the key set of secret scanning cannot be fetched", "url", s.url, "error", s.failed)
			}
			old = s.now().Sub(s.fetchedAt)
		}
	}
	if s.keys == nil || old >= stale {
		return nil, unavailable(fmt.Errorf("the key set was not fetched: %w", s.failed))
	}
	return s.keys[identifier], nil
}

func unavailable(err error) error {
	return &commands.Error{Kind: commands.Unavailable, Code: "leaks_github_keys_unavailable",
		Detail: "the keys that GitHub's signature is verified with cannot be read", Hint: "send the message again; if it lasts, the operator has to see to --leaks-github-keys", Cause: err}
}

// reread reads the file, if it is another than the one that was read.
func (s *source) reread() error {
	info, err := os.Stat(s.file)
	if err != nil {
		return err
	}
	if s.seen != nil && os.SameFile(s.seen, info) && s.seen.ModTime().Equal(info.ModTime()) && s.seen.Size() == info.Size() {
		return nil
	}
	f, err := os.Open(s.file)
	if err != nil {
		return err
	}
	defer f.Close()
	keys, err := readKeys(f)
	if err != nil {
		return fmt.Errorf("%s: %w", s.file, err)
	}
	s.keys, s.seen = keys, info
	return nil
}

func readKeys(r io.Reader) (keySet, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxKeySet {
		return nil, fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	return parseKeys(raw)
}

// fetch asks the URL. It asks by ETag where it can: GitHub does not count that against
// the few questions an hour that it allows.
func (s *source) fetch(ctx context.Context) error {
	// Not broken off with the message that brought it about: the next one needs it too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tokenledger")
	if s.etag != "" && s.keys != nil {
		req.Header.Set("If-None-Match", s.etag)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && s.keys != nil:
	case res.StatusCode == http.StatusOK:
		keys, err := readKeys(res.Body)
		if err != nil {
			return fmt.Errorf("the key set cannot be used: %w", err)
		}
		s.keys, s.etag = keys, res.Header.Get("ETag")
	default:
		return fmt.Errorf("the answer was %s", res.Status)
	}
	s.fetchedAt = s.now()
	return nil
}

// transport is that of the fetches: nothing is kept open between two, which are a
// minute apart at least.
func transport() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
