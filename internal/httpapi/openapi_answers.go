package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// refusals are the statuses other than success that a route answers with, by what it is.
// A fault of the node itself (500) can come everywhere and is no part of the interface.
func (rt *route) refusals() []int {
	all := []int{
		http.StatusBadRequest,         // a token in the URL, a query that is not known
		http.StatusServiceUnavailable, // the node is starting, or cannot vouch for its data
	}
	add := func(is bool, statuses ...int) {
		if is {
			all = append(all, statuses...)
		}
	}
	add(rt.access != accessOpen, http.StatusUnauthorized, http.StatusTooManyRequests)
	add(rt.needs != "", http.StatusForbidden)
	add(strings.Contains(rt.path, "{"), http.StatusNotFound)
	add(rt.in != nil, http.StatusRequestEntityTooLarge)
	add(rt.writes && !rt.ndjson, http.StatusGatewayTimeout) // each line has an outcome of its own
	add(rt.tagged && rt.method == http.MethodGet, http.StatusNotModified)
	add(rt.tagged && rt.writes, http.StatusPreconditionFailed)
	all = append(all, rt.more...)
	slices.Sort(all)
	return slices.Compact(all)
}

var refusalTexts = map[int]string{
	http.StatusNotModified:           "The answer is still the one that If-None-Match names.",
	http.StatusSeeOther:              "The browser is sent on.",
	http.StatusBadRequest:            "The request cannot be read, or asks for what cannot be.",
	http.StatusUnauthorized:          "There is no token, or it is not good.",
	http.StatusForbidden:             "The token does not hold the permission.",
	http.StatusNotFound:              "There is no such thing, or none that the caller may see.",
	http.StatusConflict:              "The state does not allow it; nothing was changed.",
	http.StatusPreconditionFailed:    "The record is not the one that If-Match names; nothing was changed.",
	http.StatusRequestEntityTooLarge: "The body is too large.",
	http.StatusTooManyRequests:       "Too many tokens that are not good came from this address.",
	http.StatusServiceUnavailable:    "The node cannot answer now; nothing was changed unless the code says otherwise.",
	http.StatusGatewayTimeout:        "It may or may not have been done: look, or repeat it with the same Idempotency-Key.",
}

func refusalHeaders(status int) []string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return []string{"X-Request-Id", "WWW-Authenticate"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return []string{"X-Request-Id", "Retry-After"}
	case http.StatusSeeOther:
		return []string{"X-Request-Id", "Location"}
	case http.StatusNotModified:
		return []string{"X-Request-Id", "ETag"}
	}
	return []string{"X-Request-Id"}
}

// headersOut are those of a success.
func (rt *route) headersOut() []string {
	names := []string{"X-Request-Id"}
	if rt.writes {
		names = append(names, "Ledger-Seq")
	}
	if rt.writes && !rt.keyless {
		names = append(names, "Idempotency-Replayed")
	}
	if rt.status == http.StatusCreated || rt.status == http.StatusSeeOther {
		names = append(names, "Location")
	}
	if rt.tagged {
		names = append(names, "ETag")
	}
	return append(names, rt.headers...)
}

// headersIn are those that a route takes beside the caller's credentials.
func (rt *route) headersIn() (names []string) {
	if rt.writes && !rt.keyless {
		names = append(names, "Idempotency-Key")
	}
	if rt.tagged && rt.method == http.MethodGet {
		names = append(names, "If-None-Match")
	}
	if rt.tagged && rt.writes {
		names = append(names, "If-Match")
	}
	return names
}

var headerTexts = map[string]string{
	"X-Request-Id":         "The request's id, in the events that it led to and in the node's log.",
	"WWW-Authenticate":     "What credentials are wanted (RFC 6750).",
	"Retry-After":          "Seconds to wait.",
	"Ledger-Seq":           "The stream sequence of the change.",
	"Idempotency-Replayed": "true where the answer repeats that of an earlier request with the same Idempotency-Key.",
	"Location":             "The path of the new token's record; where the browser is sent on, that URL.",
	"X-Token-Id":           "The id of the token that the request bears.",
	"X-Token-Tenant":       "Its tenant.",
	"X-Token-Name":         "Its name; what is not printable ASCII is escaped as in a URL.",
	"X-Token-Scopes":       "Its scopes, with spaces between them.",
	"ETag":                 "Names this state of the answer (RFC 9110).",
}

func headers(names ...string) map[string]*huma.Header {
	all := map[string]*huma.Header{}
	for _, name := range names {
		schema := &huma.Schema{Type: huma.TypeString}
		if name == "Ledger-Seq" || name == "Retry-After" {
			schema.Type = huma.TypeInteger
		}
		all[name] = &huma.Header{Description: headerTexts[name], Schema: schema}
	}
	return all
}

// mediaIn and mediaOut are the media types of the bodies.
func (rt *route) mediaIn() string {
	if rt.form {
		return formType
	}
	return rt.mediaLines()
}

func (rt *route) mediaLines() string {
	if rt.ndjson {
		return "application/x-ndjson"
	}
	return "application/json"
}

func (rt *route) mediaOut() string {
	if rt.media != "" {
		return rt.media
	}
	return rt.mediaLines()
}
