package httpapi

import (
	"encoding/json"
	"testing"
)

// What is no JSON, and the path that goes on to its end, are described too.
func TestTheAuditLogIsDescribed(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
			Responses  map[string]struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal(openAPI((&API{}).routes(), "v0"), &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct{ method, media, param, in string }{
		"/v1/audit/events":       {"get", "application/json", "actor", "query"},
		"/v1/audit/trace":        {"post", "application/json", "", ""},
		"/v1/audit/checkpoint":   {"get", "text/plain; charset=utf-8", "", ""},
		"/v1/audit/consistency":  {"get", "application/json", "from", "query"},
		"/v1/audit/proofs/{seq}": {"get", "text/plain; charset=utf-8", "seq", "path"},
		"/v1/audit/tile/{path}":  {"get", "application/octet-stream", "path", "path"},
	} {
		op, ok := doc.Paths[path][want.method]
		if !ok || op.Responses["200"].Content[want.media] == nil {
			t.Errorf("%s %s: %+v", want.method, path, op)
		}
		if want.param != "" && (len(op.Parameters) == 0 || op.Parameters[0].Name != want.param || op.Parameters[0].In != want.in) {
			t.Errorf("%s: %+v", path, op.Parameters)
		}
	}
}
