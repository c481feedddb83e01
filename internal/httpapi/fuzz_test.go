package httpapi

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// bodies are the shapes of all requests.
func bodies() (all []reflect.Type) {
	for _, rt := range (&API{}).routes() {
		if rt.in != nil {
			all = append(all, reflect.TypeOf(rt.in))
		}
	}
	return all
}

// Whatever a body is, it is read whole or refused with an error for its sender, in which
// no token stands.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		``, `{`, `{}`, `null`, `[]`, `{"name":"a","name":"b"}`, `{"token":"x","scopes":["a"],"min_seq":18446744073709551615}`,
		`{"filter":{"site":""},"dry_run":true}`, `{"expires_at":"0001-01-01T00:00:00Z","ttl":"1d"}`, `{"metadata":{"k":"` + "\xff" + `"}}`,
	} {
		f.Add([]byte(body))
	}
	token := secret.Mint("tl", ulid.Make()).Reveal()
	f.Add([]byte(`{"` + token + `":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, shape := range bodies() {
			in := reflect.New(shape)
			err := wire.Decode(body, in.Interface())
			if err == nil {
				again, merr := wire.Marshal(in.Interface())
				if merr != nil {
					t.Fatalf("%s: what was read cannot be written: %v", shape, merr)
				}
				if err := wire.Decode(again, reflect.New(shape).Interface()); err != nil {
					t.Errorf("%s: what was written cannot be read again: %v\n%s", shape, err, again)
				}
				continue
			}
			e, ok := errors.AsType[*commands.Error](err)
			if !ok || e.Kind != commands.Invalid || e.Code != "body_invalid" {
				t.Errorf("%s: %v", shape, err)
			}
			if secret.Within(err.Error()) {
				t.Errorf("%s: a token stands in the error: %v", shape, err)
			}
		}
		_ = checkFilter(body)
	})
}

// Whatever the query of a URL is, its parameters are read or refused.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "limit=10", "limit=-1", "cursor=1.2", "since=2026-01-31T15:04:05Z&until=x", "a=%zz", "limit=1&limit=2", "from=0&to=1", "proof=true;x"} {
		f.Add(q)
	}
	routes := (&API{}).routes()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/v1/tokens", nil)
		r.URL = &url.URL{Path: "/v1/tokens", RawQuery: query}
		for i := range routes {
			c := &call{r: r, route: &routes[i]}
			if c.checkQuery() != nil {
				continue
			}
			limit, err := c.limit()
			if err == nil && (limit < 1 || limit > 1000) {
				t.Errorf("%q: a limit of %d", query, limit)
			}
			for _, name := range []string{"since", "until", "unused_since", "time"} {
				if at, err := c.timeParam(name); err == nil && r.URL.Query().Get(name) != "" && at.IsZero() {
					t.Errorf("%q: %s is read as no time", query, name)
				}
			}
			if after, upto, err := eventsPosition(r.URL.Query().Get("cursor")); err == nil && r.URL.Query().Get("cursor") != "" {
				if after == 0 && upto == 0 && r.URL.Query().Get("cursor") != "0" && strings.Trim(r.URL.Query().Get("cursor"), "0") != "" {
					t.Errorf("%q: a cursor is read as none", query)
				}
			}
			_, _ = moment("from", r.URL.Query().Get("from"))
			_, _ = c.flag("proof")
		}
	})
}

// A list of entity tags names those that stand in it, and nothing else.
func FuzzETags(f *testing.F) {
	f.Add(`"a"`, `W/"b"`, `, `)
	f.Add(`"a,b"`, `""`, `,`)
	f.Add(`x`, `"`, ` `)
	f.Fuzz(func(t *testing.T, one, two, between string) {
		tag := etagOf([]byte("body"))
		if strings.Contains(one+two+between, tag) || strings.TrimSpace(one+between+two) == "*" {
			return
		}
		if names(one+between+two, tag, true) {
			t.Errorf("%q names %s", one+between+two, tag)
		}
		if !names(tag+", "+one, tag, false) || names("W/"+tag, tag, false) || !names("W/"+tag, tag, true) {
			t.Errorf("%s is not named as it should be", tag)
		}
	})
}
