package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/httpapi"
	"github.com/tokenledger/tokenledger/internal/server"
)

// statusWorld is what the statuses are got from.
type statusWorld struct {
	n *node
	// flooded is a node on which bad tokens were presented too often.
	flooded *node
}

// TestEveryDocumentedStatusIsAnswered has every operation answer with every status that
// the document says it has, and shows that the answer is what the document says.
func TestEveryDocumentedStatusIsAnswered(t *testing.T) {
	t.Parallel()
	w := statusWorld{n: newNodeForPeople(t, "--failure-limit", "0", "--leaks-github-keys", gitHubOf(t, walkKey()).file), flooded: newNode(t, "--failure-limit", "1")}
	w.n.startForPeople()
	w.flooded.start()
	for range 64 {
		w.flooded.ask("GET", "/v1/tokens", fresh(), "")
	}
	for _, o := range w.n.operations() {
		for _, want := range o.statuses {
			if want == http.StatusServiceUnavailable || want == http.StatusGatewayTimeout || o.local && want >= 401 {
				continue // the tests below
			}
			status, header, body := w.provoke(t, o, want)
			if status != want {
				t.Errorf("%s: wanted %d, got %d %s", o.id, want, status, body)
				continue
			}
			checkAnswer(t, o, status, header, body)
		}
	}
}

// checkAnswer holds an answer against what all of its status have in common.
func checkAnswer(t *testing.T, o operation, status int, header http.Header, body []byte) {
	t.Helper()
	if header.Get("X-Request-Id") == "" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") == "" {
		t.Errorf("%s: %d without the headers of every answer: %v", o.id, status, header)
	}
	if status < 400 {
		return
	}
	if strings.HasPrefix(o.path, "/oauth2/") {
		e := decoded[api.OAuthError](t, body)
		if header.Get("Content-Type") != "application/json" || e.Error == "" || e.Description == "" || e.Code == "" || e.RequestID != header.Get("X-Request-Id") {
			t.Errorf("%s: %d with %q %s", o.id, status, header.Get("Content-Type"), body)
		}
		return
	}
	p := decoded[api.Problem](t, body)
	if header.Get("Content-Type") != problemMedia(o) || p.Status != status || p.Code == "" || p.Detail == "" || p.Title == "" || p.RequestID != header.Get("X-Request-Id") {
		t.Errorf("%s: %d with %q %s", o.id, status, header.Get("Content-Type"), body)
	}
	if (status == 429 || status == 503) && header.Get("Retry-After") == "" {
		t.Errorf("%s: %d without Retry-After", o.id, status)
	}
}

func problemMedia(operation) string { return "application/problem+json" }

// provoke sends what the operation answers with the status.
func (w *statusWorld) provoke(t *testing.T, o operation, want int) (int, http.Header, []byte) {
	t.Helper()
	n := w.n
	v := n.newVictim("default")
	if a, token, on := w.provokePeople(o, v, want); on != nil {
		var status int
		var header http.Header
		var body []byte
		for range 64 { // of a node that is flooded, as below
			if status, header, body = on.send(o, a, token); status == want || want != http.StatusTooManyRequests {
				break
			}
		}
		return status, header, body
	}
	a := o.request(t, v)
	switch want {
	case http.StatusOK, http.StatusCreated, http.StatusSeeOther:
		return n.send(o, a, n.token)
	case http.StatusNotModified:
		_, header, _ := n.send(o, a, n.token)
		return n.send(o, a.with(a.path, "", "If-None-Match", header.Get("ETag")), n.token)
	case http.StatusBadRequest:
		return n.send(o, a.with("/"+strings.TrimPrefix(a.path, "/")+query(a.path)+"x="+v.secret, a.body), n.token)
	case http.StatusUnauthorized:
		return n.send(o, a, fresh())
	case http.StatusForbidden:
		return n.send(o, a, n.holding("default"))
	case http.StatusNotFound:
		if o.id == "post-v1-leaks-github" { // a node that was given no keys
			return w.flooded.send(o, a, "")
		}
		none := v
		none.token.ID, none.token.Seq = fresh()[3:29], 1<<40
		a = o.request(t, none)
		return n.send(o, a.with(strings.Replace(a.path, "/tile/0/", "/tile/9/", 1), a.body), n.token)
	case http.StatusConflict:
		if o.id == "post-v1-audit-trace" { // which writes nothing, and so takes no key
			return n.send(o, a.with(a.path, `{"token":"`+n.newVictim("default").token.Name+`"}`), n.token)
		}
		key := fresh()[3:29]
		if status, _, body := n.ask("POST", "/v1/tokens", n.token, `{"name":"first","ttl":"1d"}`, "Idempotency-Key", key); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		return n.send(o, a.with(a.path, a.body, "Idempotency-Key", key), n.token)
	case http.StatusPreconditionFailed:
		return n.send(o, a.with(a.path, a.body, "If-Match", `"other"`), n.token)
	case http.StatusRequestEntityTooLarge:
		if o.id == "post-v1-tokens-import" { // which may be larger than a test should send
			return n.announce(o.path, 3<<30)
		}
		return n.send(o, a.with(a.path, strings.Repeat(" ", 32<<20)), n.token)
	case http.StatusTooManyRequests:
		var status int
		var header http.Header
		var body []byte
		for range 64 {
			if status, header, body = w.flooded.send(o, a, fresh()); status == want {
				break
			}
		}
		return status, header, body
	}
	t.Errorf("%s documents the status %d, which this test does not know how to get", o.id, want)
	return want, http.Header{}, nil
}

func query(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// TestCallsForThisMachine shows what those answer to other machines.
func TestCallsForThisMachine(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	dir := t.TempDir()
	s, err := server.Start(t.Context(), server.Config{
		DataDir: filepath.Join(dir, "data"), HTTP: "127.0.0.1:0", NATSListen: "off", BootstrapTokenFile: filepath.Join(dir, "root"),
		UsageWindow: time.Second, MaxStaleness: 10 * time.Second, FailureLimit: 1, Stdout: io.Discard, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	handler := httpapi.New(httpapi.Config{
		Ledger: s.Ledger(), Logger: slog.New(slog.DiscardHandler), Observe: func(string, int, time.Duration) {},
		Metrics: http.NotFoundHandler(), Ready: func() error { return nil }, Healthy: func() error { return nil },
	})
	for i, o := range n.operations() {
		if !o.local {
			continue
		}
		seen := map[int]bool{}
		for range 64 {
			r := httptest.NewRequest(o.method, o.request(t, victim{}).path, nil)
			r.RemoteAddr = fmt.Sprintf("192.0.2.%d:40000", i) // which fails too often by itself
			r.Header.Set("Authorization", "Bearer "+fresh())
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			checkAnswer(t, o, answer.Code, answer.Header(), answer.Body.Bytes())
			seen[answer.Code] = true
		}
		documented := slices.DeleteFunc(slices.Clone(o.statuses), func(s int) bool { return s <= 400 || s == 503 })
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, documented) {
			t.Errorf("%s: statuses %v to another machine, documented are %v", o.id, got, documented)
		}
	}
}

// TestEveryCallWaitsForTheNode shows the answer of a node that is starting.
func TestEveryCallWaitsForTheNode(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	for _, o := range n.operations() {
		if !slices.Contains(o.statuses, http.StatusServiceUnavailable) {
			t.Errorf("%s does not document 503", o.id)
		}
		a := o.request(t, n.newVictim("default"))
		answer := httptest.NewRecorder()
		httpapi.Starting().ServeHTTP(answer, httptest.NewRequest(o.method, a.path, strings.NewReader(a.body)))
		if answer.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", o.id, answer.Code, answer.Body)
			continue
		}
		checkAnswer(t, o, answer.Code, answer.Header(), answer.Body.Bytes())
	}
}

// deafProxy passes everything on to a NATS server, and its answers back until it is deaf.
type deafProxy struct {
	listener net.Listener
	deaf     atomic.Bool
}

func newDeafProxy(t *testing.T, target string) *deafProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &deafProxy{listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			if err != nil {
				_ = from.Close()
				continue
			}
			wg.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
			wg.Go(func() {
				defer from.Close()
				b := make([]byte, 64<<10)
				for {
					k, err := to.Read(b)
					if err != nil {
						return
					}
					if !p.deaf.Load() {
						_, _ = from.Write(b[:k])
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return p
}

// TestAnOutcomeThatIsNotKnownIsSaidSo has every write meet a stream that takes it, or
// not, and does not answer.
func TestAnOutcomeThatIsNotKnownIsSaidSo(t *testing.T) {
	t.Parallel()
	x := newExternal(t)
	p := newDeafProxy(t, strings.TrimPrefix(x.url(), "nats://"))
	n := newNodeForPeople(t, "--nats-url", "nats://"+p.listener.Addr().String(), "--max-staleness", "10m", "--failure-limit", "0", "--leaks-github-keys", gitHubOf(t, walkKey()).file)
	n.startForPeople()
	var writes []operation
	about := map[string]asked{}
	for _, o := range n.operations() {
		if !slices.Contains(o.statuses, http.StatusGatewayTimeout) {
			continue
		}
		writes = append(writes, o)
		v := n.newVictim("default")
		if strings.HasSuffix(o.id, "-resume") {
			n.must(200, "POST", "/v1/tokens/"+v.token.ID+"/suspend", n.token, "")
		}
		about[o.id] = o.request(t, v)
	}
	if len(writes) < 7 {
		t.Fatalf("only %d writes are documented", len(writes))
	}
	p.deaf.Store(true)
	var callers sync.WaitGroup
	for _, o := range writes {
		callers.Go(func() {
			status, header, body := n.send(o, about[o.id], n.token)
			if status != http.StatusGatewayTimeout {
				t.Errorf("%s: %d %s", o.id, status, body)
				return
			}
			checkAnswer(t, o, status, header, body)
		})
	}
	callers.Wait()
}
