package httpapi

import (
	"net/http"
	"strconv"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func show(c *call) error {
	id, err := c.tokenID()
	if err != nil {
		return err
	}
	t, err := c.api.Ledger.Token(c.r.Context(), c.session, id)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, record(t, c.api.Ledger.Now()))
}

func list(c *call) error {
	v := c.r.URL.Query()
	q := tokens.Query{
		Tenant: v.Get("tenant"), Site: v.Get("site"), Owner: v.Get("owner"), Name: v.Get("name"),
		Status: tokens.Status(v.Get("status")), Scope: v.Get("scope"), Cursor: v.Get("cursor"),
	}
	var err error
	if q.Limit, err = c.limit(); err != nil {
		return err
	}
	if q.UnusedSince, err = c.timeParam("unused_since"); err != nil {
		return err
	}
	if q.ExpiresBefore, err = c.timeParam("expires_before"); err != nil {
		return err
	}
	page, err := c.api.Ledger.Tokens(c.r.Context(), c.session, q)
	if err != nil {
		return err
	}
	out := api.TokenList{Tokens: []api.Token{}, NextCursor: page.Next}
	for _, t := range page.Tokens {
		out.Tokens = append(out.Tokens, record(t, c.api.Ledger.Now()))
	}
	return c.json(http.StatusOK, out)
}

func history(c *call) error {
	id, err := c.tokenID()
	if err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	var after uint64
	if cursor := c.r.URL.Query().Get("cursor"); cursor != "" {
		if after, err = strconv.ParseUint(cursor, 10, 63); err != nil {
			return &commands.Error{Kind: commands.Invalid, Code: "cursor_invalid", Detail: "the cursor is not one that this history gave", Hint: "start again without a cursor"}
		}
	}
	evs, more, err := c.api.Ledger.History(c.r.Context(), c.session, id, after, limit)
	if err != nil {
		return err
	}
	out := api.History{Events: []api.RecordedEvent{}}
	for _, e := range evs {
		out.Events = append(out.Events, api.RecordedEvent{Seq: e.Seq, Received: e.Received, Subject: e.Subject, Event: e.Raw})
	}
	if more {
		out.NextCursor = strconv.FormatUint(evs[len(evs)-1].Seq, 10)
	}
	return c.json(http.StatusOK, out)
}

func projectionStatus(c *call) error {
	rows, last, err := c.api.Ledger.Projections(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	out := api.ProjectionList{Projections: []api.ProjectionStatus{}}
	for _, p := range rows {
		row := api.ProjectionStatus{Name: p.Name, Version: p.Version, Applied: p.Applied, Last: last, Unknown: p.Unknown}
		if last > p.Applied {
			row.Lag = last - p.Applied
		}
		out.Projections = append(out.Projections, row)
	}
	return c.json(http.StatusOK, out)
}
