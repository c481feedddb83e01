package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// record is the JSON of a token, with its status at now.
func record(t tokens.Record, now time.Time) api.Token {
	out := api.Token{
		ID: t.ID.String(), Tenant: t.Tenant, Name: t.Name, Site: t.Site, Owner: t.Owner,
		Scopes: append([]string{}, t.Scopes...), Status: string(t.Status(now)),
		CreatedAt: t.CreatedAt, CreatedBy: idOrNone(t.CreatedBy),
		ExpiresAt: timeOrNone(t.ExpiresAt), NotBefore: timeOrNone(t.NotBefore),
		RevokedAt: timeOrNone(t.RevokedAt), RevokedBy: idOrNone(t.RevokedBy),
		RevokeReason: t.RevokeReason, ReasonCode: string(t.ReasonCode),
		RotatedFrom: idOrNone(t.RotatedFrom), RotatedTo: idOrNone(t.RotatedTo),
		LastUsedAt: timeOrNone(t.LastUsedAt), LastUsedIP: t.LastUsedIP, UseCount: t.UseCount,
		Metadata: t.Metadata, Seq: t.Seq,
	}
	if p := t.Person; !p.IsZero() {
		out.Person = &api.Person{Issuer: p.Issuer, Subject: p.Subject, Name: p.Name}
	}
	for _, p := range t.AllowedCIDRs {
		out.AllowedCIDRs = append(out.AllowedCIDRs, p.String())
	}
	return out
}

func idOrNone(id ulid.ULID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// given reads times that may be left out. The zero time, which programs send by
// mistake for "none", is refused: taken for "none", it would make a token that
// never ends.
type given struct{ err error }

func (g *given) time(field string, t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	if t.IsZero() {
		g.err = zeroTime(field)
	}
	return *t
}

func zeroTime(field string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "time_invalid", Detail: field + " is the year 1, which stands for no time in some programs", Hint: "leave " + field + " out, or give a real time"}
}

// tokenID reads the id in the path. What stands there is not repeated in the
// error: people paste secrets.
func (c *call) tokenID() (ulid.ULID, error) {
	id, err := events.ParseID(c.r.PathValue("id"))
	if err != nil {
		return id, &commands.Error{Kind: commands.NotFound, Code: "token_not_found",
			Detail: "what stands in the path is not a token's id", Hint: "an id is 26 characters of 0-9A-HJKMNP-TV-Z: the middle part of the token"}
	}
	return id, nil
}

// timeParam reads an RFC 3339 time from the query.
func (c *call) timeParam(name string) (time.Time, error) {
	s := c.r.URL.Query().Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, &commands.Error{Kind: commands.Invalid, Code: "time_invalid", Detail: name + " is not an RFC 3339 time", Hint: "write 2026-01-31T15:04:05Z"}
	}
	if t.IsZero() {
		return t, zeroTime(name)
	}
	return t.UTC(), nil
}

// limit reads the page size from the query.
func (c *call) limit() (int, error) {
	const standard, most = 100, 1000
	s := c.r.URL.Query().Get("limit")
	if s == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, &commands.Error{Kind: commands.Invalid, Code: "limit_invalid", Detail: fmt.Sprintf("limit has to be a number from 1 to %d", most), Hint: "page with the cursor for more"}
	}
	return n, nil
}

// hintEmpty says what to do about a parameter without a value.
func hintEmpty(name string) string {
	switch name {
	case "from", "to", "time", "seq": // they are the question
		return "give it one"
	case "limit", "proof", "count":
		return "give it one, or leave " + name + " out"
	}
	return "give it one, or leave " + name + " out; an empty filter would list everything"
}

// checkQuery refuses a query that does not parse, names a parameter twice, without a
// value, or one that the route does not have: a filter that falls out would list
// everything.
func (c *call) checkQuery() error {
	if c.r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return &commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: "the query of the URL cannot be read", Hint: "escape what stands in it, and separate parameters by &"}
	}
	c.values = values
	for name, all := range values {
		if !slices.Contains(c.route.query, name) {
			hint := "this call has no parameters"
			if len(c.route.query) > 0 {
				hint = "the parameters are " + strings.Join(c.route.query, " ")
			}
			return &commands.Error{Kind: commands.Invalid, Code: "parameter_unknown", Detail: "the query has a parameter that is not known here", Hint: hint}
		}
		if len(all) > 1 {
			return &commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: "the query gives " + name + " more than once", Hint: "give it once"}
		}
		if all[0] == "" && name != "cursor" { // which is how some programs ask for the first page
			return &commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: "the query gives " + name + " no value", Hint: hintEmpty(name)}
		}
	}
	return nil
}
