package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
)

// Projections says how far each projection of the node has come.
func (c *Client) Projections(ctx context.Context) (api.ProjectionList, error) {
	list, _, err := read[api.ProjectionList](ctx, c, call{method: http.MethodGet, path: "v1/projections"})
	return list, err
}

// Health asks whether the node lives. The error is nil if it says that it does;
// if it answers that it does not, the answer comes with an [*Error] of status 503.
func (c *Client) Health(ctx context.Context) (api.Health, error) { return c.health(ctx, "healthz") }

// Ready asks whether the node serves validations: whether it is fresh enough. It
// answers as [Client.Health] does.
func (c *Client) Ready(ctx context.Context) (api.Health, error) { return c.health(ctx, "readyz") }

func (c *Client) health(ctx context.Context, path string) (api.Health, error) {
	unavailable := api.Health{}
	health, _, err := read[api.Health](ctx, c, call{
		method:  http.MethodGet,
		path:    path,
		refused: func(res *http.Response) *api.Problem { return healthProblem(res, &unavailable) },
	})
	if err != nil {
		return unavailable, err
	}
	return health, nil
}

// healthProblem reads the answer of a node that says it is unavailable, which is
// a Health and no problem document.
func healthProblem(res *http.Response, h *api.Health) *api.Problem {
	if !isMedia(res.Header, "application/json") {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil || json.Unmarshal(body, h) != nil || h.Status == "" {
		*h = api.Health{}
		return nil
	}
	return &api.Problem{Title: "Unavailable", Detail: h.Detail, Hint: h.Hint}
}
