package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tokenledger/tokenledger/client/api"
)

var pathParam = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

// openAPI describes the routes in OpenAPI 3.1. The shapes come from the Go types
// that the handlers decode and encode.
func openAPI(routes []route, version string) []byte {
	shapes := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "tokenledger", Version: version,
			Description: "An event-sourced ledger of API tokens. Writes take an Idempotency-Key and answer with Ledger-Seq, the stream sequence of the change."},
		Components: &huma.Components{
			Schemas:         shapes,
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", BearerFormat: "tl_…"}},
		},
		Paths: map[string]*huma.PathItem{},
	}
	content := func(mediaType string, v any) map[string]*huma.MediaType {
		t := reflect.TypeOf(v)
		return map[string]*huma.MediaType{mediaType: {Schema: shapes.Schema(t, true, t.Name())}}
	}
	for _, rt := range routes {
		media := "application/json"
		if rt.ndjson {
			media = "application/x-ndjson"
		}
		op := &huma.Operation{
			// OpenAPI has no name for a parameter that goes on to the end of the path.
			OperationID: operationID(rt), Method: rt.method, Path: strings.ReplaceAll(rt.path, "...}", "}"), Summary: rt.summary,
			Responses: map[string]*huma.Response{
				"default": {Description: "An error.", Content: content("application/problem+json", api.Problem{})},
			},
		}
		ok := &huma.Response{Description: http.StatusText(rt.status)}
		if rt.out != nil {
			ok.Content = content(media, rt.out)
		} else if rt.media != "" {
			ok.Content = map[string]*huma.MediaType{rt.media: {Schema: &huma.Schema{Type: huma.TypeString}}}
		}
		op.Responses[strconv.Itoa(rt.status)] = ok
		if rt.in != nil {
			op.RequestBody = &huma.RequestBody{Content: content(media, rt.in)}
		}
		if rt.access == accessToken {
			op.Security = []map[string][]string{{"token": {}}}
			op.Description = "Needs " + rt.needs + "."
		}
		for _, m := range pathParam.FindAllStringSubmatch(rt.path, -1) {
			op.Parameters = append(op.Parameters, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		}
		for _, q := range rt.query {
			op.Parameters = append(op.Parameters, &huma.Param{Name: q, In: "query", Schema: &huma.Schema{Type: huma.TypeString}})
		}
		doc.AddOperation(op)
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic("httpapi: the table of routes cannot be described: " + err.Error())
	}
	return append(out, '\n')
}

func operationID(rt route) string {
	words := strings.FieldsFunc(rt.path, func(r rune) bool { return strings.ContainsRune("/{}.", r) })
	return strings.ToLower(rt.method) + "-" + strings.Join(words, "-")
}
