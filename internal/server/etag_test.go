package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// TestETag shows that a tag names one state of an answer, and that an update which names
// another state changes nothing.
func TestETag(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	tok, _ := generate(t, n.client(), api.GenerateRequest{Name: "tagged"})
	path := "/v1/tokens/" + tok.ID
	patch := func(name string, headers ...string) (int, http.Header, []byte) {
		return n.ask("PATCH", path, n.token, `{"name":"`+name+`"}`, headers...)
	}
	get := func(path string, headers ...string) (int, string) {
		status, header, body := n.ask("GET", path, n.token, "", headers...)
		if status == 304 && len(body) > 0 {
			t.Errorf("304 with a body: %s", body)
		}
		return status, header.Get("ETag")
	}
	for _, p := range []string{path, path + "/history", "/v1/tokens?name=tagged", "/openapi.json"} {
		status, tag := get(p)
		if status != 200 || tag == "" {
			t.Fatalf("%s: %d %q", p, status, tag)
		}
		for _, list := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if status, again := get(p, "If-None-Match", list); status != 304 || again != tag {
				t.Errorf("%s, If-None-Match %s: %d %q", p, list, status, again)
			}
		}
		for _, list := range []string{`"other"`, tag[1:], `"` + tag, "W/", ""} {
			if status, _ := get(p, "If-None-Match", list); status != 200 {
				t.Errorf("%s, If-None-Match %s: %d", p, list, status)
			}
		}
	}

	_, first := get(path)
	status, header, _ := patch("once", "If-Match", first)
	if status != 200 || header.Get("ETag") == first {
		t.Fatalf("%d %q", status, header.Get("ETag"))
	}
	if _, now := get(path); now != header.Get("ETag") {
		t.Errorf("the change answered %q, the record has %q", header.Get("ETag"), now)
	}
	for _, list := range []string{first, "W/" + header.Get("ETag"), "nonsense"} {
		if status, _, body := patch("twice", "If-Match", list); status != 412 || decoded[api.Problem](t, body).Code != "precondition_failed" {
			t.Errorf("If-Match %s: %d %s", list, status, body)
		}
	}
	if status, _, _ := patch("any", "If-Match", "*"); status != 200 {
		t.Errorf("If-Match *: %d", status)
	}
	if got := decoded[api.Token](t, n.must(200, "GET", path, n.token, "")); got.Name != "any" {
		t.Errorf("the name is %q", got.Name)
	}

	// Of several at once who have read the same, one changes it.
	_, read := get(path)
	var callers sync.WaitGroup
	var mu sync.Mutex
	done := map[int]int{}
	for i := range 8 {
		callers.Go(func() {
			status, _, _ := patch(fmt.Sprint("racer ", i), "If-Match", read)
			mu.Lock()
			defer mu.Unlock()
			done[status]++
		})
	}
	callers.Wait()
	if done[200] != 1 || done[412] != 7 {
		t.Errorf("statuses %v", done)
	}

	// A repeat of a change is answered as the first time, though the record has another tag now.
	_, read = get(path)
	for _, replayed := range []string{"", "true"} {
		status, header, body := patch("keyed", "If-Match", read, "Idempotency-Key", "k")
		if status != 200 || header.Get("Idempotency-Replayed") != replayed {
			t.Errorf("%d %v %s", status, header, body)
		}
	}
}
