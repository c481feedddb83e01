package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// ReportLeaks tells the ledger that tokens were seen where they do not belong: one, or
// up to 100 in req.Leaks. On return the reports are on the stream, and what they led to
// is applied on the node that answered: see [api.LeakAnswer.Status], which says whether
// a token is still good. A report of a token and a place that is on record already
// changes nothing and is no error, so after an error all can be sent again.
func (c *Client) ReportLeaks(ctx context.Context, req api.LeaksRequest, opts ...WriteOption) (Written[api.LeaksAnswer], error) {
	var none Written[api.LeaksAnswer]
	if c.exposed {
		return none, fmt.Errorf("cannot use %s: %w", c.URL(), ErrPlaintext)
	}
	if req.Token == "" && req.SHA256 == "" && len(req.Leaks) == 0 {
		return none, &ArgumentError{"leaks", "are none"}
	}
	secrets := []string{req.Token}
	for _, l := range req.Leaks {
		secrets = append(secrets, l.Token)
	}
	return write[api.LeaksAnswer](ctx, c, call{method: http.MethodPost, path: "v1/leaks", body: req, secrets: secrets}, opts)
}
