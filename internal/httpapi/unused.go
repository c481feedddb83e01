package httpapi

import (
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
)

func unused(c *call) error {
	v := c.r.URL.Query()
	q := commands.Unused{Tenant: v.Get("tenant"), Site: v.Get("site"), Owner: v.Get("owner"), Cursor: v.Get("cursor")}
	var err error
	if q.Limit, err = c.limit(); err != nil {
		return err
	}
	if q.For, err = commands.ParseUnusedFor(v.Get("for")); err != nil {
		return err
	}
	page, next, err := c.api.Ledger.Unused(c.r.Context(), c.session, q)
	if err != nil {
		return err
	}
	now := c.api.Ledger.Now()
	out := api.UnusedList{Tokens: []api.UnusedToken{}, NextCursor: next}
	for _, u := range page {
		out.Tokens = append(out.Tokens, api.UnusedToken{
			Token: record(u.Record, now), IdleSince: u.IdleSince, DaysUnused: u.DaysUnused(now), PolicyRevokesAt: timeOrNone(u.PolicyRevokesAt),
		})
	}
	return c.json(http.StatusOK, out)
}
