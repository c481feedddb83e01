package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// Generated is a token that was just generated.
type Generated struct {
	// Secret is the token itself. It is in this answer and never again. It is
	// zero where the answer repeats an earlier one.
	Secret Secret
	Token  api.Token
	// Note says why the secret is left out.
	Note string
}

// Generate makes a new token. On return its event is on the stream and applied on
// the node that answered. The secret is in no other place: if it is lost, revoke
// the token and generate another.
func (c *Client) Generate(ctx context.Context, req api.GenerateRequest, opts ...WriteOption) (Written[Generated], error) {
	return c.generated(ctx, call{method: http.MethodPost, path: "v1/tokens", body: req}, opts)
}

// generated makes a call that answers with a new secret.
func (c *Client) generated(ctx context.Context, cl call, opts []WriteOption) (Written[Generated], error) {
	w, err := write[api.Generated](ctx, c, cl, opts)
	if err != nil {
		return Written[Generated]{}, err
	}
	return Written[Generated]{
		Value:    Generated{Secret: NewSecret(w.Value.Secret), Token: w.Value.Token, Note: w.Value.Note},
		Seq:      w.Seq,
		Replayed: w.Replayed,
	}, nil
}

// Token gives the record of a token.
func (c *Client) Token(ctx context.Context, id string) (api.Token, error) {
	path, err := tokenPath(id, "")
	if err != nil {
		return api.Token{}, err
	}
	token, _, err := read[api.Token](ctx, c, call{method: http.MethodGet, path: path})
	return token, err
}

// List gives one page of the tokens that req chooses, and the cursor of the next.
func (c *Client) List(ctx context.Context, req api.ListRequest) (api.TokenList, error) {
	page, _, err := read[api.TokenList](ctx, c, call{method: http.MethodGet, path: "v1/tokens", query: listQuery(req)})
	return page, err
}

// ListAll gives every token that req chooses, from req.Cursor on, and fetches a
// page of req.Limit when it needs one. An error ends it and comes with a zero
// token. Tokens that are generated meanwhile may or may not be among them.
func (c *Client) ListAll(ctx context.Context, req api.ListRequest) iter.Seq2[api.Token, error] {
	return pages(req.Cursor, func(cursor string) ([]api.Token, string, error) {
		req.Cursor = cursor
		page, err := c.List(ctx, req)
		return page.Tokens, page.NextCursor, err
	})
}

// Update changes a token's labels. On return its event is on the stream and
// applied on the node that answered.
func (c *Client) Update(ctx context.Context, id string, req api.UpdateRequest, opts ...WriteOption) (Written[api.Token], error) {
	path, err := tokenPath(id, "")
	if err != nil {
		return Written[api.Token]{}, err
	}
	return write[api.Token](ctx, c, call{method: http.MethodPatch, path: path, body: req}, opts)
}

func listQuery(req api.ListRequest) url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("tenant", req.Tenant)
	set("site", req.Site)
	set("owner", req.Owner)
	set("name", req.Name)
	set("status", req.Status)
	set("scope", req.Scope)
	set("unused_since", queryTime(req.UnusedSince))
	set("expires_before", queryTime(req.ExpiresBefore))
	set("cursor", req.Cursor)
	if req.Limit != 0 {
		q.Set("limit", strconv.Itoa(req.Limit))
	}
	return q
}

func queryTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// tokenPath gives the path of a token or of what is done with it. An id that is
// none is refused here, so that it cannot become another path.
func tokenPath(id, action string) (string, error) {
	switch {
	case LooksLikeToken(id):
		return "", &ArgumentError{"token id", "looks like a token itself; the id is its middle part, and the token must be shown nowhere"}
	case len(id) != 26 || strings.Trim(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "":
		return "", &ArgumentError{"token id", "is not an id: 26 characters of 0-9A-HJKMNP-TV-Z"}
	}
	path := "v1/tokens/" + id
	if action != "" {
		path += "/" + action
	}
	return path, nil
}

var errCursor = errors.New("the node gave the cursor of the same page again")

// pages goes through all that fetch gives, a page at a time.
func pages[T any](cursor string, fetch func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for at := cursor; ; {
			items, next, err := fetch(at)
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			if next == at {
				yield(none, fmt.Errorf("cannot go on to the next page: %w", errCursor))
				return
			}
			at = next
		}
	}
}
