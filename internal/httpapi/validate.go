package httpapi

import (
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/wire"
)

func validate(c *call) error {
	var in api.ValidateRequest
	if err := c.into(&in); err != nil {
		return err
	}
	cmd, err := wire.ValidateCommand(api.ValidateItem{
		Token: in.Token, Scopes: in.Scopes, Site: in.Site, ClientIP: in.ClientIP, UserAgent: in.UserAgent, Resource: in.Resource,
	})
	if err != nil {
		return err
	}
	v, err := c.api.Ledger.Validate(c.r.Context(), c.session, cmd, in.MinSeq)
	if err != nil {
		return err
	}
	body, err := wire.AppendAnswer(make([]byte, 0, 512), v)
	if err != nil {
		return err
	}
	return c.write("application/json", http.StatusOK, body)
}
