package httpapi

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func auditEvents(c *call) error {
	v := c.r.URL.Query()
	q := ledger.EventsQuery{Tenant: v.Get("tenant")}
	q.Actor, q.Site, q.Kind = v.Get("actor"), v.Get("site"), v.Get("kind")
	var err error
	if q.Limit, err = c.limit(); err != nil {
		return err
	}
	if q.Proof, err = c.flag("proof"); err != nil {
		return err
	}
	if id := v.Get("token"); id != "" {
		if q.Token, err = events.ParseID(id); err != nil {
			return wrongFilter("token is no id of a token", "an id is 26 characters of 0-9A-HJKMNP-TV-Z: the middle part of the token; POST /v1/audit/trace takes a name")
		}
	}
	if ip := v.Get("ip"); ip != "" {
		addr, err := netip.ParseAddr(ip)
		if err != nil || addr.Zone() != "" {
			return wrongFilter("ip is not an IP address", `write "192.0.2.7" or "2001:db8::7", without a port or a zone`)
		}
		q.IP = addr.Unmap().String()
	}
	if q.Since, err = c.timeParam("since"); err != nil {
		return err
	}
	if q.Until, err = c.timeParam("until"); err != nil {
		return err
	}
	if q.After, q.Upto, err = eventsPosition(v.Get("cursor")); err != nil {
		return err
	}
	page, err := c.api.Ledger.AuditEvents(c.r.Context(), c.session, q)
	if err != nil {
		return err
	}
	out := api.AuditEvents{Events: auditRows(page.Events, page.Proofs), Seq: page.Seq}
	if page.Next != 0 {
		out.NextCursor = eventsCursor(page.Next, page.Seq)
	}
	return c.json(http.StatusOK, out)
}

func eventsCursor(after, upto uint64) string {
	return strconv.FormatUint(after, 10) + "." + strconv.FormatUint(upto, 10)
}

// eventsPosition reads a cursor: the sequence behind which to go on and, after a dot, the
// one where the question ends. A sequence alone asks for all that has come since.
func eventsPosition(cursor string) (after, upto uint64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	position, end, bounded := strings.Cut(cursor, ".")
	if after, err = strconv.ParseUint(position, 10, 63); err == nil && bounded {
		upto, err = strconv.ParseUint(end, 10, 63)
	}
	if err != nil || bounded && upto == 0 {
		return 0, 0, &commands.Error{Kind: commands.Invalid, Code: "cursor_invalid",
			Detail: "the cursor is not one that this question gave", Hint: "start again without a cursor, with the same parameters throughout"}
	}
	return after, upto, nil
}

func trace(c *call) error {
	var in api.TraceRequest
	if err := c.into(&in); err != nil {
		return err
	}
	story, err := c.api.Ledger.Trace(c.r.Context(), c.session, ledger.TraceQuery{
		Tenant: in.Tenant, Token: in.Token, Secret: secret.Of(in.Secret), Proof: in.Proof,
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, traceOf(&story))
}

func asOf(c *call) error {
	v := c.r.URL.Query()
	q := ledger.AsOfQuery{Tenant: v.Get("tenant")}
	q.Site, q.Owner, q.TokenScope = v.Get("site"), v.Get("owner"), v.Get("scope")
	q.Status, q.Cursor = tokens.Status(v.Get("status")), v.Get("cursor")
	var err error
	if q.Limit, err = c.limit(); err != nil {
		return err
	}
	if q.Proof, err = c.flag("proof"); err != nil {
		return err
	}
	if v.Has("time") == v.Has("seq") {
		return wrongMoment("the question names no moment, or two", "give time or seq, and not both")
	}
	if q.At.Time, err = c.timeParam("time"); err != nil {
		return err
	}
	if v.Has("seq") {
		if q.At, err = moment("seq", v.Get("seq")); err != nil {
			return err
		}
		if q.At.Seq == 0 {
			return wrongMoment("seq is not a sequence", "give a whole number from 1 on, or time")
		}
	}
	count, err := c.flag("count")
	if err != nil {
		return err
	}
	if count {
		return countAsOf(c, q)
	}
	page, err := c.api.Ledger.AsOf(c.r.Context(), c.session, q)
	if err != nil {
		return err
	}
	out := api.AsOf{Seq: page.Seq, Time: page.Time, Tokens: []api.PastToken{}, NextCursor: page.Next}
	for i := range page.Tokens {
		out.Tokens = append(out.Tokens, pastToken(&page.Tokens[i], page.Proofs))
	}
	return c.json(http.StatusOK, out)
}

// countAsOf answers with numbers in the place of tokens.
func countAsOf(c *call, q ledger.AsOfQuery) error {
	if q.Proof || c.r.URL.Query().Has("cursor") || c.r.URL.Query().Has("limit") {
		return &commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: "a count has no pages and no proofs", Hint: "leave out proof, cursor and limit, or count"}
	}
	counted, err := c.api.Ledger.CountAsOf(c.r.Context(), c.session, q)
	if err != nil {
		return err
	}
	out := api.AsOf{Seq: counted.Seq, Time: counted.Time, Tokens: []api.PastToken{}, Count: &counted.Tokens, ByStatus: map[string]uint64{}}
	for status, n := range counted.ByStatus {
		out.ByStatus[string(status)] = n
	}
	return c.json(http.StatusOK, out)
}

func diff(c *call) error {
	v := c.r.URL.Query()
	q := ledger.DiffQuery{Tenant: v.Get("tenant")}
	q.Cursor = v.Get("cursor")
	var err error
	if q.Limit, err = c.limit(); err != nil {
		return err
	}
	if q.Proof, err = c.flag("proof"); err != nil {
		return err
	}
	if v.Get("from") == "0" {
		q.From.Time = time.Unix(0, 0).UTC() // before the first event of any ledger
	} else if q.From, err = moment("from", v.Get("from")); err != nil {
		return err
	}
	if q.To, err = moment("to", v.Get("to")); err != nil {
		return err
	}
	page, err := c.api.Ledger.Diff(c.r.Context(), c.session, q)
	if err != nil {
		return err
	}
	out := api.Diff{
		From: api.Moment{Seq: page.From.Seq, Time: page.From.Time}, To: api.Moment{Seq: page.To.Seq, Time: page.To.Time},
		Changes: []api.TokenChange{}, NextCursor: page.Next,
	}
	for i := range page.Changes {
		change := &page.Changes[i]
		row := api.TokenChange{After: pastToken(&change.After, nil), Events: auditRows(change.Events, page.Proofs), MoreEvents: change.MoreEvents}
		if change.Before != nil {
			before := pastToken(change.Before, nil)
			row.Before = &before
		}
		out.Changes = append(out.Changes, row)
	}
	return c.json(http.StatusOK, out)
}

// moment reads a time (RFC 3339) or a sequence.
func moment(name, text string) (m questions.Moment, err error) {
	const hint = "write 2026-01-31T15:04:05Z, or a sequence from 1 on (a diff may begin with from=0)"
	if text == "" {
		return m, wrongMoment(name+" is missing", hint)
	}
	if m.Seq, err = strconv.ParseUint(text, 10, 63); err == nil && m.Seq > 0 {
		return m, nil
	}
	if m.Time, err = time.Parse(time.RFC3339, text); err != nil {
		return m, wrongMoment(name+" is neither an RFC 3339 time nor a sequence", hint)
	}
	if m.Time.IsZero() {
		return m, zeroTime(name)
	}
	m.Seq, m.Time = 0, m.Time.UTC()
	return m, nil
}

// flag reads a parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	switch c.r.URL.Query().Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, &commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: name + " is neither true nor false", Hint: "write " + name + "=true, or leave it out"}
}

func wrongFilter(detail, hint string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "filter_invalid", Detail: detail, Hint: hint}
}

func wrongMoment(detail, hint string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "time_invalid", Detail: detail, Hint: hint}
}
