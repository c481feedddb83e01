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

// Import takes over existing keys by their SHA-256: lines is NDJSON, one
// [api.ImportLine] a line, sent as it is read. each, if not nil, is called with
// the result of each line, in order; an error of its own ends the import, and
// Import returns it.
//
// A line with status imported is on the stream and applied on the node that
// answered. A failed line stops no other, and is no error of Import: see
// [Imported.Failed]. After an error the counts hold what was answered so far, and
// the same lines may be sent again: those that were taken then read exists.
//
// The call is bounded by ctx alone, not by Config.Timeout. Import does not close
// lines. When it returns before it has read them all, a read that is under way may
// still end after it.
func (c *Client) Import(ctx context.Context, lines io.Reader, each func(api.ImportResult) error, opts ...WriteOption) (Written[Imported], error) {
	var w Written[Imported]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, done, err := c.do(ctx, call{
		method: http.MethodPost,
		path:   "v1/tokens/import",
		stream: io.NopCloser(lines),
		write:  true,
		opts:   opts,
	})
	if err != nil {
		return w, err
	}
	defer done()
	defer res.Body.Close()
	// fault leaves AnswerError.Seq at 0: it is not known which lines were taken.
	fault := func(err error) error {
		return &AnswerError{URL: c.URL(), Status: res.StatusCode,
			Err: fmt.Errorf("%w; it had %d results, and sending the same lines again is safe", err, w.Value.Imported+w.Value.Exists+w.Value.Failed)}
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
	// A node that answers while it reads knows the sequence at the end alone.
	w.Seq = max(ledgerSeq(res.Header), ledgerSeq(res.Trailer))
	w.Replayed = replayed(res.Header)
	return w, nil
}
