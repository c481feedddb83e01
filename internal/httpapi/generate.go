package httpapi

import (
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func generate(c *call) error {
	var in api.GenerateRequest
	if err := c.into(&in); err != nil {
		return err
	}
	labels, err := labelsOf(in)
	if err != nil {
		return err
	}
	out, err := c.api.Ledger.Generate(c.r.Context(), c.session, commands.Generate{Tenant: in.Tenant, Labels: labels})
	if err != nil {
		return err
	}
	return c.generated(out)
}

// labelsOf reads what a new token is given, minted or imported.
func labelsOf(in api.GenerateRequest) (commands.Labels, error) {
	ttl, err := commands.ParseTTL(in.TTL)
	if err != nil {
		return commands.Labels{}, err
	}
	var g given
	return commands.Labels{
		Name: in.Name, Site: in.Site, Owner: in.Owner, Scopes: in.Scopes, Role: in.Role,
		TTL: ttl, ExpiresAt: g.time("expires_at", in.ExpiresAt), NotBefore: g.time("not_before", in.NotBefore),
		AllowedCIDRs: in.AllowedCIDRs, Metadata: in.Metadata,
	}, g.err
}

func rotate(c *call) error {
	var in api.RotateRequest
	id, err := c.tokenID()
	if err != nil {
		return err
	}
	if err := c.maybeInto(&in); err != nil {
		return err
	}
	grace, err := commands.ParseGrace(in.Grace)
	if err != nil {
		return err
	}
	out, err := c.api.Ledger.Rotate(c.r.Context(), c.session, commands.Rotate{ID: id, Grace: grace})
	if err != nil {
		return err
	}
	return c.generated(out)
}

// generated answers with a new token, and its secret unless it was seen before.
func (c *call) generated(g commands.Generated) error {
	// A token that was just made, or is shown as it was then, has no uses.
	out := api.Generated{Secret: g.Secret.Reveal(), Token: record(tokens.Record{Token: g.Token}, c.api.Ledger.Now())}
	if g.Replayed {
		out.Note = "this repeats an earlier answer; the secret was shown there, once. If it is lost, rotate the token"
	}
	c.seq(g.Seq, g.Replayed)
	c.w.Header().Set("Location", "/v1/tokens/"+out.Token.ID)
	return c.json(http.StatusCreated, out)
}
