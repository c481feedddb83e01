package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tokenledger/tokenledger/client/api"
)

// Unused gives one page of the active tokens that were neither used nor generated for
// req.For, and the cursor of the next.
func (c *Client) Unused(ctx context.Context, req api.UnusedRequest) (api.UnusedList, error) {
	q := url.Values{}
	for name, value := range map[string]string{"for": req.For, "tenant": req.Tenant, "site": req.Site, "owner": req.Owner, "cursor": req.Cursor} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if req.Limit != 0 {
		q.Set("limit", strconv.Itoa(req.Limit))
	}
	page, _, err := read[api.UnusedList](ctx, c, call{method: http.MethodGet, path: "v1/tokens/unused", query: q})
	return page, err
}

// UnusedAll gives every such token, from req.Cursor on, and fetches a page of req.Limit
// when it needs one. An error ends it and comes with a zero token.
func (c *Client) UnusedAll(ctx context.Context, req api.UnusedRequest) iter.Seq2[api.UnusedToken, error] {
	return pages(req.Cursor, func(cursor string) ([]api.UnusedToken, string, error) {
		req.Cursor = cursor
		page, err := c.Unused(ctx, req)
		return page.Tokens, page.NextCursor, err
	})
}
