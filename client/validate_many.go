package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// ValidateMany is [Client.Validate] for up to 1,000 tokens in one call. The answers are
// in the order of req.Tokens and take in the stream up to AsOfSeq. All uses and
// rejections are recorded before the node answers. Where one item cannot be read, the
// whole call is refused, with the item's index in the detail, and nothing is recorded.
func (c *Client) ValidateMany(ctx context.Context, req api.ValidateBatchRequest) (api.ValidateBatchAnswer, error) {
	if c.exposed {
		return api.ValidateBatchAnswer{}, fmt.Errorf("cannot use %s: %w", c.URL(), ErrPlaintext)
	}
	secrets := make([]string, len(req.Tokens))
	for i, item := range req.Tokens {
		if item.Token == "" {
			return api.ValidateBatchAnswer{}, &ArgumentError{fmt.Sprintf("tokens[%d].token", i), "is empty"}
		}
		secrets[i] = item.Token
	}
	answer, _, err := read[api.ValidateBatchAnswer](ctx, c, call{
		method: http.MethodPost, path: "v1/tokens/validate/batch", body: req, secrets: secrets,
	})
	if err == nil && len(answer.Answers) != len(req.Tokens) {
		return api.ValidateBatchAnswer{}, &AnswerError{URL: c.URL(), Status: http.StatusOK,
			Err: fmt.Errorf("it has %d verdicts for %d tokens", len(answer.Answers), len(req.Tokens))}
	}
	return answer, err
}
