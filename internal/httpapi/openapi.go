package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tokenledger/tokenledger/client/api"
)

// interfaceVersion is that of the interface, which is not the build's: the document is
// the same for every build of the same interface.
const interfaceVersion = "1.0.0"

var pathParam = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

// openAPI describes the routes in OpenAPI 3.1. The shapes come from the Go types that the
// handlers decode and encode, the statuses from what a route is (openapi_answers.go).
func openAPI(routes []route) []byte {
	d := description{shapes: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer), taken: map[string]bool{}, refusals: map[string]*huma.Response{}}
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "tokenledger", Version: interfaceVersion,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			Description: "An event-sourced ledger of API tokens. Writes take an Idempotency-Key and answer with Ledger-Seq, the stream sequence of the change. " +
				"Every error is a problem document (RFC 9457); docs/errors.md explains each code. A path answers 405 to a method that it does not take."},
		Servers: []*huma.Server{{URL: "/", Description: "The node that gave this document."}},
		Tags:    tags(routes),
		Components: &huma.Components{
			Schemas:   d.shapes,
			Responses: d.refusals,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", BearerFormat: "tl_…", Description: "A token of the ledger."},
				"basic": {Type: "http", Scheme: "basic", Description: "A token's id as the user, and the token as the password."},
				"proxy": {Type: "apiKey", In: "header", Name: proxyHeader, Description: "A token of the ledger, as in Authorization: Bearer tl_…. Authorization itself is that of the request which is asked about."},
				"session": {Type: "apiKey", In: "cookie", Name: hostPrefix + sessionCookie,
					Description: "A person's session, in a browser. What changes anything has to come from the ledger's own pages."},
			},
		},
		Paths: map[string]*huma.PathItem{},
	}
	for i := range routes {
		doc.AddOperation(d.operation(&routes[i]))
	}
	d.loosenAnswers()
	d.noNulls()
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic("httpapi: the table of routes cannot be described: " + err.Error())
	}
	return append(out, '\n')
}

// description is a document that is being made.
type description struct {
	shapes huma.Registry
	// taken are the shapes that requests have.
	taken map[string]bool
	// refusals are the answers of errors, by the name of their status.
	refusals map[string]*huma.Response
}

func (d *description) operation(rt *route) *huma.Operation {
	op := &huma.Operation{
		// OpenAPI has no name for a parameter that goes on to the end of the path.
		OperationID: operationID(rt), Method: rt.method, Path: strings.ReplaceAll(rt.path, "...}", "}"),
		Summary: rt.summary, Tags: []string{rt.tag()}, Responses: d.answers(rt),
		Security: []map[string][]string{},
	}
	if rt.access != accessOpen && rt.schemes == nil {
		op.Security = append(op.Security, map[string][]string{"token": {}})
		if rt.credentials == nil {
			op.Security = append(op.Security, map[string][]string{"session": {}})
		}
	}
	for _, scheme := range rt.schemes {
		op.Security = append(op.Security, map[string][]string{scheme: {}})
	}
	switch {
	case rt.needs != "":
		op.Description = "Needs `" + rt.needs + "`."
	case rt.access == accessLocal:
		op.Description = "Needs any good token, or none on the same machine."
		op.Security = append(op.Security, map[string][]string{})
	case rt.access == accessToken:
		op.Description = "Needs any good token, and no permission."
	}
	if rt.in != nil {
		shape := reflect.TypeOf(rt.in)
		d.taken[shape.Name()] = true
		op.RequestBody = &huma.RequestBody{Required: !rt.bodyOptional, Content: d.content(rt.mediaIn(), rt.in)}
	}
	for _, m := range pathParam.FindAllStringSubmatch(rt.path, -1) {
		op.Parameters = append(op.Parameters, parameter(m[1], "path"))
	}
	for _, q := range rt.query {
		op.Parameters = append(op.Parameters, parameter(q, "query"))
	}
	for _, h := range rt.headersIn() {
		op.Parameters = append(op.Parameters, parameter(h, "header"))
	}
	return op
}

func (d *description) content(mediaType string, v any) map[string]*huma.MediaType {
	t := reflect.TypeOf(v)
	return map[string]*huma.MediaType{mediaType: {Schema: d.shapes.Schema(t, true, t.Name())}}
}

// loosenAnswers lets answers have fields that this document does not know: a later
// version of the interface may add some. Requests may not, and are refused.
func (d *description) loosenAnswers() {
	taken := map[string]bool{}
	var mark func(s *huma.Schema)
	mark = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok && !taken[name] {
			taken[name] = true
			mark(d.shapes.Map()[name])
		}
		mark(s.Items)
		for _, p := range s.Properties {
			mark(p)
		}
	}
	for name := range d.taken {
		taken[name] = true
		mark(d.shapes.Map()[name])
	}
	for name, s := range d.shapes.Map() {
		if no, ok := s.AdditionalProperties.(bool); ok && !no && !taken[name] {
			s.AdditionalProperties = nil
		}
	}
}

// noNulls says that what is absent is left out: no list is ever null.
func (d *description) noNulls() {
	for _, s := range d.shapes.Map() {
		for _, p := range s.Properties {
			p.Nullable = false
		}
	}
}

func operationID(rt *route) string {
	words := strings.FieldsFunc(rt.path, func(r rune) bool { return strings.ContainsRune("/{}.", r) })
	return strings.ToLower(rt.method) + "-" + strings.Join(words, "-")
}

// tag groups the calls by what they are about: the first word of the path.
func (rt *route) tag() string {
	path := strings.TrimPrefix(strings.TrimPrefix(rt.path, "/v1"), "/")
	switch word, _, _ := strings.Cut(path, "/"); word {
	case "healthz", "readyz", "metrics", "openapi.json":
		return "node"
	case ".well-known":
		return "oauth2"
	default:
		return word
	}
}

// tags are the groups, in the order of the routes.
func tags(routes []route) (all []*huma.Tag) {
	for i := range routes {
		name := routes[i].tag()
		if !slices.ContainsFunc(all, func(t *huma.Tag) bool { return t.Name == name }) {
			all = append(all, &huma.Tag{Name: name, Description: tagTexts[name]})
		}
	}
	return all
}

var tagTexts = map[string]string{
	"tokens":      "Tokens: generate, find, change, end and validate them.",
	"audit":       "The audit log: questions about the past, and evidence.",
	"leaks":       "Leaked tokens: report them, and have them end.",
	"session":     "People: sign in at the issuer, sign out, and who calls.",
	"projections": "The read side.",
	"authorize":   "Forward auth: whether a proxy may let a request pass.",
	"oauth2":      "OAuth 2.0: introspection and revocation of tokens, for its libraries.",
	"node":        "The node itself.",
}

// answers describes what a route answers with.
func (d *description) answers(rt *route) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	ok := &huma.Response{Description: http.StatusText(rt.status), Headers: headers(rt.headersOut()...)}
	switch {
	case rt.out != nil:
		ok.Content = d.content(rt.mediaOut(), rt.out)
	case rt.media != "":
		schema := &huma.Schema{Type: huma.TypeString}
		if rt.media == "application/json" {
			schema.Type = huma.TypeObject
		}
		ok.Content = map[string]*huma.MediaType{rt.media: {Schema: schema}}
	}
	all[strconv.Itoa(rt.status)] = ok
	for _, status := range rt.refusals() {
		all[strconv.Itoa(status)] = d.refusal(rt, status)
	}
	return all
}

// refusal refers to the answer that all routes have in common for the status.
func (d *description) refusal(rt *route, status int) *huma.Response {
	name := strings.ReplaceAll(http.StatusText(status), " ", "")
	if rt.fault != nil {
		name = "OAuth" + name
	}
	if d.refusals[name] == nil {
		answer := &huma.Response{Description: refusalTexts[status], Headers: headers(refusalHeaders(status)...)}
		if rt.fault != nil {
			answer.Content = d.content("application/json", api.OAuthError{})
		} else if status >= http.StatusBadRequest {
			answer.Content = d.content("application/problem+json", api.Problem{})
		}
		d.refusals[name] = answer
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}
