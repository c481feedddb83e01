package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// Validate asks whether a token is good for what req names. A token that is not
// good is an answer and no error: see [api.ValidateAnswer.Active].
//
// The use, or the rejection, is recorded before the node answers: in its local
// usage journal, or on the stream if it runs with --usage-durability strict. The
// answer takes in the stream up to AsOfSeq, and waits for req.MinSeq where that is
// given. A node that cannot show that it is fresh enough answers 503, as [Error].
func (c *Client) Validate(ctx context.Context, req api.ValidateRequest) (api.ValidateAnswer, error) {
	if c.exposed {
		return api.ValidateAnswer{}, fmt.Errorf("cannot use %s: %w", c.URL(), ErrPlaintext)
	}
	if req.Token == "" {
		return api.ValidateAnswer{}, &ArgumentError{"token", "is empty"}
	}
	answer, _, err := read[api.ValidateAnswer](ctx, c, call{
		method: http.MethodPost,
		path:   "v1/tokens/validate",
		body:   req,
		secret: req.Token,
	})
	return answer, err
}
