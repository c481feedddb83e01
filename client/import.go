package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// maxResultLine bounds one line of an import's answer, in bytes.
const maxResultLine = 1 << 20

// Imported counts the results of an import.
type Imported struct {
	Imported int // new tokens
	Exists   int // hashes that the ledger already had
	Failed   int // lines that were refused
}

// Results is how many lines were answered.
func (n Imported) Results() int { return n.Imported + n.Exists + n.Failed }

// ImportStoppedError says that an import ended before its last line.
type ImportStoppedError struct {
	// Line is the first line that has no result, from 1.
	Line int
	// Code and Detail are as in [api.ImportResult].
	Code, Detail string
}

func (e *ImportStoppedError) Error() string {
	return fmt.Sprintf("the import stopped before line %d: %s; what was imported stands, and sending the same lines again is safe", e.Line, e.Detail)
}

// Import takes over existing keys by their SHA-256: lines is NDJSON, one
// [api.ImportLine] a line, sent as it is read. each, if not nil, is called with
// the result of each line, in order; an error of its own ends the import, and
// Import returns it. Where nothing is between the client and the node, results come
// while lines are still being sent; through a proxy, and with a Config.HTTPClient, they
// come at the end.
//
// A line with status imported is on the stream and applied on the node that
// answered. A failed line stops no other, and is no error of Import: see
// [Imported.Failed]. After an error the counts hold what was answered so far, and
// the same lines may be sent again: those that were taken then read exists. The
// error is an [*ImportStoppedError] where the node took no further lines.
//
// The call is bounded by ctx alone, not by Config.Timeout. Import does not close
// lines. When it returns before it has read them all, a read that is under way may
// still end after it.
func (c *Client) Import(ctx context.Context, lines io.Reader, each func(api.ImportResult) error, opts ...WriteOption) (Written[Imported], error) {
	var w Written[Imported]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cl := call{
		method: http.MethodPost,
		path:   "v1/tokens/import",
		stream: io.NopCloser(lines),
		write:  true,
		opts:   opts,
	}
	caller := c
	if c.ownHTTP {
		direct := *c
		// The option that the node looks for does not exist in HTTP/2.
		direct.http = &http.Client{Transport: newHTTP1Transport(), CheckRedirect: c.http.CheckRedirect}
		defer direct.http.CloseIdleConnections()
		cl.duplex, caller = true, &direct
	}
	res, done, err := caller.do(ctx, cl)
	if err != nil {
		return w, err
	}
	defer done()
	defer res.Body.Close()
	// fault leaves AnswerError.Seq at 0: it is not known which lines were taken.
	fault := func(err error) error {
		return &AnswerError{URL: c.URL(), Status: res.StatusCode,
			Err: fmt.Errorf("%w; it had %d results, and sending the same lines again is safe", err, w.Value.Results())}
	}
	if !isMedia(res.Header, "application/x-ndjson") {
		return w, fault(errNotLedger)
	}
	scan := bufio.NewScanner(res.Body)
	scan.Buffer(nil, maxResultLine)
	for scan.Scan() {
		line := bytes.TrimSpace(scan.Bytes())
		if len(line) == 0 {
			continue
		}
		var r api.ImportResult
		if err := json.Unmarshal(line, &r); err != nil {
			return w, fault(errNotLedger)
		}
		switch r.Status {
		case "imported":
			w.Value.Imported++
		case "exists":
			w.Value.Exists++
		case "failed":
			w.Value.Failed++
		case "stopped":
			return w, &ImportStoppedError{Line: r.Line, Code: r.Code, Detail: r.Error}
		default:
			return w, fault(fmt.Errorf("line %d has the status %q, which this client does not know", r.Line, r.Status))
		}
		if each != nil {
			if err := each(r); err != nil {
				return w, err
			}
		}
	}
	if err := scan.Err(); err != nil {
		return w, fault(fmt.Errorf("it broke off: %w", err))
	}
	// A node that answers while it reads knows these at the end alone.
	w.Seq = max(ledgerSeq(res.Header), ledgerSeq(res.Trailer))
	w.Replayed = replayed(res.Header) || replayed(res.Trailer)
	return w, nil
}
