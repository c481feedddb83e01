package verify_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
)

// served is a server of an export, with something before it that may answer itself.
func served(t *testing.T, dir string, before func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func overHTTP(t *testing.T, cfg verify.HTTPConfig) verify.Source {
	t.Helper()
	src, err := verify.HTTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestALogBehindAURLIsVerified(t *testing.T) {
	l := theLarge.get(t)
	whole(t, overHTTP(t, verify.HTTPConfig{URL: served(t, l.export, nil)}), l.key, l.dir, largeSize)

	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	to := exported(t, dir)
	url := served(t, to, nil)
	whole(t, overHTTP(t, verify.HTTPConfig{URL: url + "/"}), k, dir, 300)
	for name, words := range map[string]string{
		"tile/entries/000":      "the entry of sequence 1 was altered",
		"tile/0/001.p/44":       "its hash for the entry of sequence 257 was altered",
		"tile/1/000.p/1":        "its hash number 0",
		layout.CheckpointFile:   "it is no checkpoint",
		"tile/entries/001.p/44": "the entry of sequence 257",
	} {
		was := read(t, to, name)
		flip(t, to, name, 30)
		_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, nil)
		if e, ok := errors.AsType[*verify.Error](err); !ok || e.File != name || !strings.Contains(e.Problem, words) {
			t.Errorf("%s: %v", name, err)
		}
		remove(t, to, name)
		_, err = check(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, nil)
		refused(t, err, name, 0, "it is missing")
		put(t, to, name, was)
	}
	put(t, to, "tile/0/000", make([]byte, 1<<20))
	_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, nil)
	refused(t, err, "tile/0/000", 0, "it is larger than such a file can be")
}

func TestABusyServerIsAskedAgainAndABrokenOneNotForEver(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 3)
	to := exported(t, dir)
	var mu sync.Mutex
	asked := map[string]int{}
	url := served(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Path]++
		if asked[r.URL.Path] == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		return false
	})
	whole(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, dir, 3)
	if asked["/checkpoint"] != 2 {
		t.Errorf("%v", asked)
	}
	var n atomic.Int32
	for status, want := range map[int]int32{http.StatusServiceUnavailable: 4, http.StatusForbidden: 1} {
		n.Store(0)
		url = served(t, to, func(w http.ResponseWriter, r *http.Request) bool {
			n.Add(1)
			w.WriteHeader(status)
			return true
		})
		_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, nil)
		if e, ok := errors.AsType[*verify.StatusError](err); !ok || e.Status != status || n.Load() != want {
			t.Errorf("asked %d times: %v", n.Load(), err)
		}
	}
}

// A node that gives nothing of what is damaged on its disk says so: that is no service
// that is missing, and it is not asked again.
func TestANodeThatSaysItsLogIsDamagedIsBelieved(t *testing.T) {
	k := newKey(t)
	to := exported(t, written(t, k, plain(k), 3))
	var n atomic.Int32
	url := served(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/tile/0/000.p/3" {
			return false
		}
		n.Add(1)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":503,"code":"audit_log_damaged"}`))
		return true
	})
	_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, nil)
	refused(t, err, "tile/0/000.p/3", 0, "the node itself says")
	if n.Load() != 1 {
		t.Errorf("it was asked %d times", n.Load())
	}
}

func TestASilentServerIsLeft(t *testing.T) {
	k := newKey(t)
	to := exported(t, written(t, k, plain(k), 3))
	for _, silent := range []string{"/checkpoint", "/tile/0/000.p/3"} {
		release := make(chan struct{})
		url := served(t, to, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != silent {
				return false
			}
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-release // after the headers, so that only the body is missing
			return true
		})
		_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: url, Timeout: 200 * time.Millisecond}), k, nil)
		if _, ok := errors.AsType[*verify.UnreachableError](err); !ok {
			t.Errorf("%s: %v", silent, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err = verify.Verify(ctx, overHTTP(t, verify.HTTPConfig{URL: url}), verify.Options{Key: k.vkey})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", silent, err)
		}
		cancel()
		close(release)
	}
}

// The token goes with each request, and to no other server.
func TestATokenDoesNotFollowARedirection(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 3)
	to := exported(t, dir)
	elsewhere := served(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s got a token", r.URL)
		}
		return false
	})
	url := served(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, elsewhere+strings.TrimPrefix(r.URL.Path, "/moved"), http.StatusFound)
		case r.Header.Get("Authorization") != "Bearer secret-of-a-test":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			return false
		}
		return true
	})
	whole(t, overHTTP(t, verify.HTTPConfig{URL: url, Token: "secret-of-a-test"}), k, dir, 3)
	_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: url}), k, nil)
	if e, ok := errors.AsType[*verify.StatusError](err); !ok || e.Status != http.StatusUnauthorized {
		t.Error(err)
	}
	_, err = check(t, overHTTP(t, verify.HTTPConfig{URL: url + "/moved", Token: "secret-of-a-test"}), k, nil)
	if e, ok := errors.AsType[*verify.StatusError](err); !ok || e.Status != http.StatusFound {
		t.Error(err)
	}
	whole(t, overHTTP(t, verify.HTTPConfig{URL: url + "/moved"}), k, dir, 3)
}

func TestAURLThatCannotBeUsedIsRefusedAndNotShown(t *testing.T) {
	for _, url := range []string{"", "ftp://x/y", "http://", "http://x/?q", "http://x/#f", "http://user:secret@[::1/x"} {
		_, err := verify.HTTP(verify.HTTPConfig{URL: url})
		if _, ok := errors.AsType[*verify.URLError](err); !ok || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	k := newKey(t)
	_, err := check(t, overHTTP(t, verify.HTTPConfig{URL: "http://user:secret@127.0.0.1:1/x"}), k, nil)
	if _, ok := errors.AsType[*verify.UnreachableError](err); !ok || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
