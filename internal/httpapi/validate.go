package httpapi

import (
	"net/http"
	"net/netip"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

func validate(c *call) error {
	var in api.ValidateRequest
	if err := c.into(&in); err != nil {
		return err
	}
	cmd := commands.Validate{
		Token: secret.Of(in.Token), Scopes: in.Scopes, Site: in.Site, UserAgent: in.UserAgent, Resource: in.Resource,
	}
	if in.ClientIP != "" {
		var err error
		// A zone is the name of an interface of the asker's own: of no use here,
		// and it can be any text.
		if cmd.ClientIP, err = netip.ParseAddr(in.ClientIP); err != nil || cmd.ClientIP.Zone() != "" {
			return &commands.Error{Kind: commands.Invalid, Code: "client_ip_invalid", Detail: "client_ip is not an IP address", Hint: `write "192.0.2.7" or "2001:db8::7", without a port or a zone`}
		}
	}
	v, err := c.api.Ledger.Validate(c.r.Context(), c.session, cmd, in.MinSeq)
	if err != nil {
		return err
	}
	out := api.ValidateAnswer{Active: v.Active(), Reason: string(v.Reason), AsOfSeq: v.AsOf}
	if out.Active {
		out.Token = &api.ValidToken{
			ID: v.Token.ID.String(), Tenant: v.Token.Tenant, Name: v.Token.Name, Site: v.Token.Site,
			Scopes: append([]string{}, v.Token.Scopes...), ExpiresAt: timeOrNone(v.Token.ExpiresAt),
		}
	}
	return c.json(http.StatusOK, out)
}
