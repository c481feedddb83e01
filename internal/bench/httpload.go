package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// connections is the number of the suites validate-http and forward-auth.
const connections = 32

// connection is one kept HTTP/1.1 connection that sends the same request again and
// again, with another token each time. It does what it must and no more, so that
// the processor is left to what is measured.
type connection struct {
	conn    net.Conn
	request []byte
	tokenAt int // where the token stands in request
	// found stands in the answer about a token that is good.
	found string
	in    []byte
}

// dial connects to addr, to validate. The bearer is who asks; tokens are of that width.
func dial(ctx context.Context, addr, bearer string, width int) (*connection, error) {
	return dialFrom(ctx, addr, bearer, width, "203.0.113.7")
}

// dialFrom is dial for tokens that are said to come from the address ip.
func dialFrom(ctx context.Context, addr, bearer string, width int, ip string) (*connection, error) {
	return dialWith(ctx, addr, string(found), width, func(blank string) string {
		body := fmt.Sprintf(`{"token":"%s","scopes":["orders:read"],"client_ip":"%s"}`, blank, ip)
		return fmt.Sprintf("POST /v1/tokens/validate HTTP/1.1\r\nHost: %s\r\nUser-Agent: tokenledger-bench\r\n"+
			"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, bearer, len(body), body)
	})
}

// dialWith connects to addr, to send the request that is made around a blank token of the
// width.
func dialWith(ctx context.Context, addr, found string, width int, request func(blank string) string) (*connection, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	blank := strings.Repeat("x", width)
	text := request(blank)
	return &connection{
		conn: conn, request: []byte(text), tokenAt: strings.Index(text, blank), found: found, in: make([]byte, 8<<10),
	}, nil
}

func (c *connection) close() { _ = c.conn.Close() }

// until has whatever is under way at t fail.
func (c *connection) until(t time.Time) { _ = c.conn.SetDeadline(t) }

var (
	statusOK      = []byte("HTTP/1.1 200 ")
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	// found stands in the answer to the validation of a token that is good.
	found = []byte(`"active":true`)
)

// validate presents token and reads the answer, which has to be that it is good.
func (c *connection) validate(token []byte) error {
	copy(c.request[c.tokenAt:], token)
	if _, err := c.conn.Write(c.request); err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	answer, err := c.answer()
	if err != nil {
		return err
	}
	if !bytes.Contains(answer, []byte(c.found)) {
		return fmt.Errorf("a good token was answered with %s", bytes.TrimSpace(answer))
	}
	return nil
}

// answer reads one answer whole, which has to be 200, and gives it.
func (c *connection) answer() ([]byte, error) {
	head, body, err := c.exchange()
	if err == nil && !bytes.HasPrefix(head, statusOK) {
		err = fmt.Errorf("a validation was answered with %s", bytes.TrimSpace(append(head, body...)))
	}
	return slices.Concat(head, body), err
}

// exchange reads one answer whole, whatever its status.
func (c *connection) exchange() (head, body []byte, err error) {
	have, bodyAt, end := 0, 0, 0
	for end == 0 || have < end {
		if have == len(c.in) {
			return nil, nil, errors.New("an answer is longer than 8 KiB")
		}
		n, err := c.conn.Read(c.in[have:])
		have += n
		if err != nil && have < max(end, 1) {
			return nil, nil, fmt.Errorf("read an answer: %w", err)
		}
		if end > 0 {
			continue
		}
		at := bytes.Index(c.in[:have], headEnd)
		if at < 0 {
			continue
		}
		size, err := bodySize(c.in[:at+2])
		if err != nil {
			return nil, nil, err
		}
		bodyAt = at + len(headEnd)
		end = bodyAt + size
	}
	return c.in[:bodyAt:bodyAt], c.in[bodyAt:end], nil
}

// bodySize reads the length out of the head, which ends in a line break.
func bodySize(head []byte) (int, error) {
	_, rest, ok := bytes.Cut(head, contentLength)
	if !ok {
		return 0, errors.New("an answer does not tell its length")
	}
	digits, _, _ := bytes.Cut(rest, headEnd[:2])
	return strconv.Atoi(string(digits))
}

// load drives one server.
type load struct {
	addr, bearer string
	// dial connects, and says what is sent.
	dial   func(ctx context.Context, addr, bearer string, width int) (*connection, error)
	tokens *holder
	// pick gives, for each connection, the next token to present.
	pick []func() int
	// answered counts the answers for each token; it is written with atomics.
	answered []uint32
}

func newLoad(addr, bearer string, tokens *holder, pick func(*rand.Rand, int) func() int) *load {
	l := &load{addr: addr, bearer: bearer, dial: dial, tokens: tokens, answered: make([]uint32, tokens.len())}
	for i := range connections {
		l.pick = append(l.pick, pick(rand.New(rand.NewPCG(7, uint64(i))), tokens.len()))
	}
	return l
}

// uniformly gives each of n with the same probability.
func uniformly(rng *rand.Rand, n int) func() int { return func() int { return rng.IntN(n) } }

// zipf gives few of n often and most of them seldom, with exponent 1.1. The often
// presented are spread over all.
func zipf(rng *rand.Rand, n int) func() int {
	z := rand.NewZipf(rng, 1.1, 1, uint64(n-1))
	return func() int { return int(z.Uint64() * 2654435761 % uint64(n)) }
}

// run presents tokens for d. Connecting is not measured.
func (l *load) run(ctx context.Context, d time.Duration) (sample, error) {
	var clients []*connection
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	for range connections {
		c, err := l.dial(ctx, l.addr, l.bearer, l.tokens.width)
		if err != nil {
			return sample{}, fmt.Errorf("connect to the server under measurement: %w", err)
		}
		c.until(time.Now().Add(d + time.Minute))
		clients = append(clients, c)
	}
	return callers(ctx, connections, d, func(_ context.Context, i int) error {
		token := l.pick[i]()
		if err := clients[i].validate(l.tokens.at(token)); err != nil {
			return err
		}
		atomic.AddUint32(&l.answered[token], 1)
		return nil
	})
}
