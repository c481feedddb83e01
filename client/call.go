package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

const (
	// maxAnswer bounds the body of a success, in bytes.
	maxAnswer = 64 << 20
	// maxProblem bounds the body of an error, in bytes.
	maxProblem = 64 << 10
)

// call is one request to the node.
type call struct {
	method string
	// path is relative to the base and clean: "v1/tokens".
	path  string
	query url.Values
	// body is marshalled as JSON; nil sends none.
	body any
	// stream, when not nil, is sent as NDJSON instead of body, and the call has
	// no time limit but its context's.
	stream io.Reader
	write  bool
	opts   []WriteOption
	// secret is a token in the body, beside the client's own.
	secret string
	// secrets are several such.
	secrets []string
	// refused, when not nil, reads the problem from an answer that is no success
	// and no problem document. It gives nil for what it does not know.
	refused func(*http.Response) *api.Problem
}

// Written is what a write answers.
type Written[T any] struct {
	// Value is the answer's body.
	Value T
	// Seq is the stream sequence that the answer takes in (Ledger-Seq): a reader
	// that asks with MinSeq at or above it sees the write. It is 0 if the answer
	// named none.
	Seq uint64
	// Replayed is set when the Idempotency-Key had been used for the same call
	// before: Value is the first answer, and nothing was written now.
	Replayed bool
}

// WriteOption changes how a write is made.
type WriteOption func(*writeOptions)

type writeOptions struct{ key string }

// WithIdempotencyKey makes a write safe to repeat: of all calls by the same
// caller with the same key, one takes effect, and the others are answered with
// the first answer and [Written.Replayed]. A generated secret is in the first
// answer alone. Use a fresh key for each thing to be done, such as a UUID: 1 to
// 255 visible ASCII characters.
func WithIdempotencyKey(key string) WriteOption {
	return func(o *writeOptions) { o.key = key }
}

// do makes the call and gives the answer if its status is a success; the caller
// closes its body. done must be called when the body has been read.
func (c *Client) do(ctx context.Context, cl call) (answer *http.Response, done func(), err error) {
	done = func() {}
	if cl.stream == nil && c.timeout > 0 {
		if _, has := ctx.Deadline(); !has {
			ctx, done = context.WithTimeout(ctx, c.timeout)
		}
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := c.request(ctx, cl)
	if err != nil {
		return nil, done, err
	}
	where := strings.TrimSuffix(c.base.String(), "/")
	res, err := c.http.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the rest repeats the method and the URL with its query
		}
		return nil, done, &UnreachableError{URL: where, Unknown: cl.write && sent.Load(), Err: err}
	}
	if res.StatusCode/100 == 2 {
		return res, done, nil
	}
	defer res.Body.Close()
	return nil, done, c.refusal(res, cl)
}

func (c *Client) request(ctx context.Context, cl call) (*http.Request, error) {
	target := c.base.JoinPath(cl.path)
	target.RawQuery = cl.query.Encode()
	body, contentType := cl.stream, "application/x-ndjson"
	if cl.body != nil {
		b, err := json.Marshal(cl.body)
		if err != nil {
			return nil, fmt.Errorf("cannot encode the request: %w", err)
		}
		body, contentType = bytes.NewReader(b), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, cl.method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json, application/x-ndjson, text/plain, application/problem+json")
	req.Header.Set("User-Agent", c.userAgent)
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	var o writeOptions
	for _, set := range cl.opts {
		set(&o)
	}
	if o.key != "" {
		if len(o.key) > 255 || strings.Trim(o.key, visibleASCII) != "" {
			return nil, &ArgumentError{"Idempotency-Key", "must be 1 to 255 visible ASCII characters"}
		}
		req.Header.Set("Idempotency-Key", o.key)
	}
	return req, nil
}

// read makes a call whose answer is JSON and decodes it.
func read[T any](ctx context.Context, c *Client, cl call) (T, http.Header, error) {
	var value T
	res, done, err := c.do(ctx, cl)
	if err != nil {
		return value, nil, err
	}
	defer done()
	defer res.Body.Close()
	fault := func(err error) (T, http.Header, error) {
		var none T
		return none, nil, &AnswerError{URL: c.URL(), Status: res.StatusCode, Seq: ledgerSeq(res.Header), Err: err}
	}
	if !isMedia(res.Header, "application/json") {
		return fault(errNotLedger)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fault(fmt.Errorf("it broke off: %w", err))
	}
	if len(body) > maxAnswer {
		return fault(fmt.Errorf("it is longer than %d MiB; ask for less at once", maxAnswer>>20))
	}
	// The cause is not passed on: it can quote what was read, a secret included.
	if err := json.Unmarshal(body, &value); err != nil {
		return fault(errNotLedger)
	}
	return value, res.Header, nil
}

// write makes a write whose answer is JSON.
func write[T any](ctx context.Context, c *Client, cl call, opts []WriteOption) (Written[T], error) {
	cl.write, cl.opts = true, opts
	value, header, err := read[T](ctx, c, cl)
	if err != nil {
		return Written[T]{}, err
	}
	return Written[T]{Value: value, Seq: ledgerSeq(header), Replayed: replayed(header)}, nil
}

// refusal reads an answer that is no success. The call's secret is taken out of
// its text, as the client's own token is, should whoever answered repeat it.
func (c *Client) refusal(res *http.Response, cl call) error {
	e := &Error{Status: res.StatusCode, Problem: c.problem(res, cl)}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	e.Problem.Status = res.StatusCode
	for _, s := range append([]string{c.token.Reveal(), cl.secret}, cl.secrets...) {
		if s == "" {
			continue
		}
		for _, text := range []*string{&e.Problem.Type, &e.Problem.Title, &e.Problem.Detail, &e.Problem.Code, &e.Problem.Hint, &e.Problem.RequestID} {
			*text = strings.ReplaceAll(*text, s, redacted)
		}
	}
	return e
}

func (c *Client) problem(res *http.Response, cl call) api.Problem {
	if isMedia(res.Header, "application/problem+json") {
		var p api.Problem
		body, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
		if err == nil && json.Unmarshal(body, &p) == nil {
			return p
		}
	} else if cl.refused != nil {
		if p := cl.refused(res); p != nil {
			return *p
		}
	}
	return foreignAnswer(res, c.URL())
}

// foreignAnswer describes an error that is no problem document. Its body is not
// repeated.
func foreignAnswer(res *http.Response, where string) api.Problem {
	p := api.Problem{
		Title:  http.StatusText(res.StatusCode),
		Detail: fmt.Sprintf("%s answered %d %s, not as a ledger does", where, res.StatusCode, http.StatusText(res.StatusCode)),
		Hint:   "is the URL that of a tokenledger node, and what is between here and there?",
	}
	if res.StatusCode/100 == 3 {
		p.Detail = fmt.Sprintf("%s answered with a redirect (%d) to %q, which is not followed, so that the token goes nowhere else", where, res.StatusCode, res.Header.Get("Location"))
		p.Hint = "if that is the node, set TOKENLEDGER_URL to it"
	}
	return p
}

func isMedia(h http.Header, want string) bool {
	got, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && got == want
}

func ledgerSeq(h http.Header) uint64 {
	n, _ := strconv.ParseUint(h.Get("Ledger-Seq"), 10, 64)
	return n
}

func replayed(h http.Header) bool { return h.Get("Idempotency-Replayed") == "true" }
