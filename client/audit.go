package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
)

// The questions to the audit log. Each is recorded as an event before the node answers
// it; Checkpoint, Consistency and LogKey, which hold no event, are not.

// AuditEvents gives one page of the events that req chooses, in the order of the stream.
func (c *Client) AuditEvents(ctx context.Context, req api.AuditEventsRequest) (api.AuditEvents, error) {
	q := query{
		"actor": req.Actor, "token": req.Token, "site": req.Site, "ip": req.IP, "kind": req.Kind,
		"since": queryTime(req.Since), "until": queryTime(req.Until), "tenant": req.Tenant, "cursor": req.Cursor,
		"limit": queryNumber(req.Limit), "proof": queryFlag(req.Proof),
	}
	page, _, err := read[api.AuditEvents](ctx, c, call{method: http.MethodGet, path: "v1/audit/events", query: q.values()})
	return page, err
}

// AuditEventsAll gives every event that req chooses, from req.Cursor on, up to the last
// that there was when it began. An error ends it and comes with a zero event.
func (c *Client) AuditEventsAll(ctx context.Context, req api.AuditEventsRequest) iter.Seq2[api.AuditEvent, error] {
	return pages(req.Cursor, func(cursor string) ([]api.AuditEvent, string, error) {
		req.Cursor = cursor
		page, err := c.AuditEvents(ctx, req)
		return page.Events, page.NextCursor, err
	})
}

// Trace gives the story of one token. Its secret, if it is that which req has, is
// compared by the node, and shows in no error.
func (c *Client) Trace(ctx context.Context, req api.TraceRequest) (api.Trace, error) {
	switch {
	case c.exposed:
		return api.Trace{}, fmt.Errorf("cannot use %s: %w", c.URL(), ErrPlaintext)
	case LooksLikeToken(req.Token):
		return api.Trace{}, &ArgumentError{"Token", "looks like a token itself; give it as Secret"}
	}
	story, _, err := read[api.Trace](ctx, c, call{method: http.MethodPost, path: "v1/audit/trace", body: req, secret: req.Secret})
	return story, err
}

// AsOf gives one page of the tokens that there were at a moment, as they were; with
// req.Count, how many there were.
func (c *Client) AsOf(ctx context.Context, req api.AsOfRequest) (api.AsOf, error) {
	q := query{
		"time": queryTime(req.Time), "site": req.Site, "owner": req.Owner, "scope": req.Scope, "status": req.Status,
		"tenant": req.Tenant, "cursor": req.Cursor, "limit": queryNumber(req.Limit), "proof": queryFlag(req.Proof), "count": queryFlag(req.Count),
	}
	if req.Seq != 0 {
		q["seq"] = strconv.FormatUint(req.Seq, 10)
	}
	page, _, err := read[api.AsOf](ctx, c, call{method: http.MethodGet, path: "v1/audit/as-of", query: q.values()})
	return page, err
}

// AsOfAll gives every token that req chooses, from req.Cursor on. All pages are of the
// same moment. An error ends it and comes with a zero token.
func (c *Client) AsOfAll(ctx context.Context, req api.AsOfRequest) iter.Seq2[api.PastToken, error] {
	return pages(req.Cursor, func(cursor string) ([]api.PastToken, string, error) {
		req.Cursor = cursor
		page, err := c.AsOf(ctx, req)
		return page.Tokens, page.NextCursor, err
	})
}

// Diff gives one page of what became of tokens between two moments.
func (c *Client) Diff(ctx context.Context, req api.DiffRequest) (api.Diff, error) {
	q := query{
		"from": req.From, "to": req.To, "tenant": req.Tenant, "cursor": req.Cursor,
		"limit": queryNumber(req.Limit), "proof": queryFlag(req.Proof),
	}
	page, _, err := read[api.Diff](ctx, c, call{method: http.MethodGet, path: "v1/audit/diff", query: q.values()})
	return page, err
}

// DiffAll gives every change that req chooses, from req.Cursor on. An error ends it and
// comes with a zero change.
func (c *Client) DiffAll(ctx context.Context, req api.DiffRequest) iter.Seq2[api.TokenChange, error] {
	return pages(req.Cursor, func(cursor string) ([]api.TokenChange, string, error) {
		req.Cursor = cursor
		page, err := c.Diff(ctx, req)
		return page.Changes, page.NextCursor, err
	})
}

// Checkpoint gives the audit log's signed checkpoint over all that the node has applied,
// https://c2sp.org/tlog-checkpoint. It is not verified here.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	return c.text(ctx, "v1/audit/checkpoint")
}

// Consistency gives the proof that the audit log of to entries begins with what it was
// with from entries. For 0, to is the size of the newest checkpoint, which then comes
// along. It is not verified here: golang.org/x/mod/sumdb/tlog.CheckTree does that, with
// the roots of two checkpoints.
func (c *Client) Consistency(ctx context.Context, from, to uint64) (api.Consistency, error) {
	q := query{"from": strconv.FormatUint(from, 10)}
	if to != 0 {
		q["to"] = strconv.FormatUint(to, 10)
	}
	proof, _, err := read[api.Consistency](ctx, c, call{method: http.MethodGet, path: "v1/audit/consistency", query: q.values()})
	return proof, err
}

// LogKey gives the key that the node's checkpoints are verified with, as
// golang.org/x/mod/sumdb/note writes it. Compare it with one that you have from
// elsewhere, such as the ledger's first event: a key from the same place as what it is to
// verify shows little.
func (c *Client) LogKey(ctx context.Context) (string, error) {
	key, err := c.text(ctx, "v1/audit/key")
	return strings.TrimSpace(string(key)), err
}

// AuditProof gives the https://c2sp.org/tlog-proof of the event at a sequence, with its
// leaf as extra data. It is not verified here.
func (c *Client) AuditProof(ctx context.Context, seq uint64) ([]byte, error) {
	return c.text(ctx, "v1/audit/proofs/"+strconv.FormatUint(seq, 10))
}

// text makes a call whose answer is plain text.
func (c *Client) text(ctx context.Context, path string) ([]byte, error) {
	res, done, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	defer done()
	defer res.Body.Close()
	fault := func(err error) error { return &AnswerError{URL: c.URL(), Status: res.StatusCode, Err: err} }
	if !isMedia(res.Header, "text/plain") {
		return nil, fault(errNotLedger)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxText+1))
	if err != nil {
		return nil, fault(fmt.Errorf("it broke off: %w", err))
	}
	if len(body) > maxText {
		return nil, fault(fmt.Errorf("it is longer than %d MiB", maxText>>20))
	}
	return body, nil
}

// maxText bounds an answer in plain text, in bytes.
const maxText = 2 << 20

// query is parameters by their names; those that are empty are left out.
type query map[string]string

func (q query) values() url.Values {
	v := url.Values{}
	for name, value := range q {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

func queryNumber(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func queryFlag(set bool) string {
	if set {
		return "true"
	}
	return ""
}
