package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tokenledger/tokenledger/client/api"
)

// HistoryRequest chooses a page of a token's history.
type HistoryRequest struct {
	// Cursor is the NextCursor of the page before; empty begins at the first.
	Cursor string
	// Limit is the length of a page; 0 leaves it to the server.
	Limit int
}

// History gives one page of a token's events, in the order of the stream.
func (c *Client) History(ctx context.Context, id string, req HistoryRequest) (api.History, error) {
	path, err := tokenPath(id, "history")
	if err != nil {
		return api.History{}, err
	}
	q := url.Values{}
	if req.Cursor != "" {
		q.Set("cursor", req.Cursor)
	}
	if req.Limit != 0 {
		q.Set("limit", strconv.Itoa(req.Limit))
	}
	page, _, err := read[api.History](ctx, c, call{method: http.MethodGet, path: path, query: q})
	return page, err
}

// HistoryAll gives every event of a token from req.Cursor on, in the order of the
// stream. An error ends it and comes with a zero event.
func (c *Client) HistoryAll(ctx context.Context, id string, req HistoryRequest) iter.Seq2[api.RecordedEvent, error] {
	return pages(req.Cursor, func(cursor string) ([]api.RecordedEvent, string, error) {
		page, err := c.History(ctx, id, HistoryRequest{Cursor: cursor, Limit: req.Limit})
		return page.Events, page.NextCursor, err
	})
}
