package client

import (
	"context"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// Session tells who the client calls as: its token, or the person whose session that is.
func (c *Client) Session(ctx context.Context) (api.Session, error) {
	s, _, err := read[api.Session](ctx, c, call{method: http.MethodGet, path: "v1/session"})
	return s, err
}

// SignOut ends the session that the client's token is, on every node. A token that is no
// person's session is left alone, and the error is a 409.
func (c *Client) SignOut(ctx context.Context, opts ...WriteOption) (Written[api.Token], error) {
	return write[api.Token](ctx, c, call{method: http.MethodPost, path: "v1/session/logout"}, opts)
}
