package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// raw sends bytes as they are and gives the statuses of what is answered until the node
// closes the connection.
func (n *node) raw(request string) (statuses []int) {
	n.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		n.t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
}

// TestNoRequestHidesInAnother sends what one program on the way reads as one request and
// another as two, or as another header: none of it reaches a call that it should not.
func TestNoRequestHidesInAnother(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	tok, secret := generate(t, n.client(), api.GenerateRequest{Name: "holds nothing"})
	before := n.events()
	hidden := "POST /v1/tokens/" + tok.ID + "/revoke HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	root := "Authorization: Bearer " + n.token + "\r\n"
	for name, tc := range map[string]struct {
		request string
		want    []int
	}{
		"two lengths":               {"POST /v1/tokens HTTP/1.1\r\nHost: x\r\n" + root + "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + hidden, []int{400}},
		"a length that is none":     {"POST /v1/tokens HTTP/1.1\r\nHost: x\r\n" + root + "Content-Length: +2\r\n\r\n{}", []int{400}},
		"an encoding that is none":  {"POST /v1/tokens HTTP/1.1\r\nHost: x\r\n" + root + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []int{501}},
		"two encodings":             {"POST /v1/tokens HTTP/1.1\r\nHost: x\r\n" + root + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", []int{501}},
		"a space before the colon":  {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer " + n.token + "\r\n\r\n", []int{400}},
		"a header that goes on":     {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nX-A: b\r\n Authorization: Bearer " + n.token + "\r\n\r\n", []int{401}},
		"a NUL in a header":         {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + n.token + "\x00\r\n\r\n", []int{400}},
		"a header of an underscore": {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nX_Authorization: Bearer " + n.token + "\r\n\r\n", []int{401}},
		"two tokens":                {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\nauthorization: Bearer " + n.token + "\r\n\r\n", []int{400}},
		"two tokens in one":         {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + ", Bearer " + n.token + "\r\n\r\n", []int{401}},
		"no host":                   {"GET /v1/tokens HTTP/1.1\r\n" + root + "\r\n", []int{400}},
		"two hosts":                 {"GET /v1/tokens HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + root + "\r\n", []int{400}},
		"a header of 64 KiB":        {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", []int{431}},
		"ten thousand headers":      {"GET /v1/tokens HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 10_000) + "\r\n", []int{431}},
		// Here net/http goes by the encoding, and what follows the body's end is a request
		// of its own: without credentials, as it stands there.
		"a length and an encoding": {"POST /v1/tokens HTTP/1.1\r\nHost: x\r\n" + root + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, []int{400, 401}},
	} {
		if got := n.raw(tc.request); fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: answered %v, want %v", name, got, tc.want)
		}
	}
	status, header, _ := n.ask("OPTIONS", "/v1/tokens", "", "", "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "POST")
	if status != 405 || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight: %d %v", status, header)
	}
	if after := n.events(); after != before {
		t.Errorf("%d events came of it", after-before)
	}
}

// TestSlowSendersHoldNobodyUp opens connections on which a request comes a byte at a time
// and never ends. Others are served all the while, and the node closes the slow ones.
func TestSlowSendersHoldNobodyUp(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	const slow = 200
	var closed sync.WaitGroup
	for range slow {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		closed.Go(func() {
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, "GET /v1/tokens HTTP/1.1\r\n")
			for i := range 60 {
				if _, err := fmt.Fprintf(conn, "X-%d: a\r\n", i); err != nil {
					return // closed by the node
				}
				time.Sleep(time.Second)
			}
			t.Error("a request that never ends was waited for, for a minute")
		})
	}
	done := make(chan struct{})
	go func() { closed.Wait(); close(done) }()
	for served := 0; ; served++ {
		n.must(200, "GET", "/v1/tokens?limit=1", n.token, "")
		select {
		case <-done:
			if served == 0 {
				t.Error("nobody was served beside them")
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
