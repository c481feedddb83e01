package httpapi

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var write = flag.Bool("write", false, "write docs/openapi.json anew")

const committed = "../../docs/openapi.json"

// The document in docs/ is what a node answers with.
func TestTheCommittedDocumentIsTheInterface(t *testing.T) {
	made := openAPI((&API{}).routes())
	if *write {
		if err := os.WriteFile(committed, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("docs/openapi.json is not the interface any more; if the change is meant: make openapi\n%s", diff)
	}
}

// Nothing stands in the document without a word of explanation.
func TestEverythingIsExplained(t *testing.T) {
	routes := (&API{}).routes()
	ids := map[string]bool{}
	for i := range routes {
		rt := &routes[i]
		if rt.summary == "" {
			t.Errorf("%s has no summary", rt.pattern())
		}
		if ids[operationID(rt)] {
			t.Errorf("two operations are called %s", operationID(rt))
		}
		ids[operationID(rt)] = true
		if tagTexts[rt.tag()] == "" {
			t.Errorf("%s: the group %q is not explained", rt.pattern(), rt.tag())
		}
		names := append(append([]string{}, rt.query...), rt.headersIn()...)
		for _, m := range pathParam.FindAllStringSubmatch(rt.path, -1) {
			names = append(names, m[1])
		}
		for _, name := range names {
			if parameters[name].Description == "" {
				t.Errorf("%s: the parameter %q is not explained", rt.pattern(), name)
			}
		}
		for _, status := range rt.refusals() {
			if refusalTexts[status] == "" {
				t.Errorf("%s: the status %d is not explained", rt.pattern(), status)
			}
			for _, name := range refusalHeaders(status) {
				if headerTexts[name] == "" {
					t.Errorf("%s: the header %q is not explained", rt.pattern(), name)
				}
			}
		}
		for _, name := range rt.headersOut() {
			if headerTexts[name] == "" {
				t.Errorf("%s: the header %q is not explained", rt.pattern(), name)
			}
		}
	}
}

// What is no JSON, and the path that goes on to its end, are described too.
func TestTheAuditLogIsDescribed(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
			Responses  map[string]struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal(openAPI((&API{}).routes()), &doc); err != nil {
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
