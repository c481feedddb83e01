package client

import (
	"context"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// Revoke ends a token, now or at req.EffectiveAt. On return its event is on the
// stream and applied on the node that answered, which rejects the token from
// EffectiveAt on. Of several revocations the earliest end holds; revoking again
// changes nothing and is no error.
func (c *Client) Revoke(ctx context.Context, id string, req api.RevokeRequest, opts ...WriteOption) (Written[api.Token], error) {
	path, err := tokenPath(id, "revoke")
	if err != nil {
		return Written[api.Token]{}, err
	}
	return write[api.Token](ctx, c, call{method: http.MethodPost, path: path, body: req}, opts)
}

// Rotate generates a token in the place of another, which ends after req.Grace.
// On return both events, appended as one, are on the stream and applied on the
// node that answered.
func (c *Client) Rotate(ctx context.Context, id string, req api.RotateRequest, opts ...WriteOption) (Written[Generated], error) {
	path, err := tokenPath(id, "rotate")
	if err != nil {
		return Written[Generated]{}, err
	}
	return c.generated(ctx, call{method: http.MethodPost, path: path, body: req}, opts)
}

// Suspend makes a token not good until it is resumed. On return its event is on
// the stream and applied on the node that answered.
func (c *Client) Suspend(ctx context.Context, id string, req api.SuspendRequest, opts ...WriteOption) (Written[api.Token], error) {
	path, err := tokenPath(id, "suspend")
	if err != nil {
		return Written[api.Token]{}, err
	}
	return write[api.Token](ctx, c, call{method: http.MethodPost, path: path, body: req}, opts)
}

// Resume ends a suspension. On return its event is on the stream and applied on
// the node that answered.
func (c *Client) Resume(ctx context.Context, id string, req api.SuspendRequest, opts ...WriteOption) (Written[api.Token], error) {
	path, err := tokenPath(id, "resume")
	if err != nil {
		return Written[api.Token]{}, err
	}
	return write[api.Token](ctx, c, call{method: http.MethodPost, path: path, body: req}, opts)
}

// BulkRevoke revokes every token that req.Filter matches, or with req.DryRun says
// which it would. On return all events are on the stream and applied on the node
// that answered. After an error some may have been revoked; calling again revokes
// the rest. The call is bounded by ctx alone, not by Config.Timeout.
func (c *Client) BulkRevoke(ctx context.Context, req api.BulkRevokeRequest, opts ...WriteOption) (Written[api.BulkRevoked], error) {
	cl := call{method: http.MethodPost, path: "v1/tokens/revoke", body: req, long: true}
	if !req.DryRun {
		return write[api.BulkRevoked](ctx, c, cl, opts)
	}
	// A dry run that gets no answer leaves nothing unknown.
	value, header, err := read[api.BulkRevoked](ctx, c, cl)
	if err != nil {
		return Written[api.BulkRevoked]{}, err
	}
	return Written[api.BulkRevoked]{Value: value, Seq: ledgerSeq(header)}, nil
}
