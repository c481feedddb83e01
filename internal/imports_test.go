package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tokenledger/tokenledger"

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// packages lists the module's packages and all that they depend on, tests left
// out.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// ours gives the package's path in the module, and whether it has one.
func ours(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// The data flows one way; docs/DESIGN.md draws the picture. Each rule names who
// may import what of ours. A package that stands in no rule may not exist.
var mayImport = []struct {
	pkg    string
	allows []string
}{
	{"events", nil},
	{"commands/secret", []string{"events"}},
	{"commands", []string{"events", "commands/secret", "projections/tokens"}},
	{"audit/layout", nil},
	{"audit", []string{"events", "audit/layout", "internal/durable", "internal/plain"}},
	// The verifier shares the formats with the writer, and no code.
	{"audit/verify", []string{"audit/layout"}},
	// The index is rows and a position in a store that survives a crash and a full
	// disk: a projection of the log, in a store of its own.
	{"audit/index", []string{"events", "audit", "audit/layout", "projections"}},
	{"audit/questions", []string{"events", "audit", "audit/layout", "audit/index", "projections/tokens"}},
	{"projections", []string{"events"}},
	{"projections/*", []string{"events", "projections"}},
	{"client/api", nil},
	{"internal", nil},
	{"client", []string{"client/api"}},
	{"internal/durable", nil},
	{"internal/plain", nil},
	{"internal/natsserver", []string{"internal/durable"}},
	{"internal/natscreds", nil},
	// It asks the ledger by what the composition root gives it.
	{"internal/natscallout", []string{"events"}},
	{"internal/config", nil},
	{"internal/telemetry", nil},
	{"internal/identity", []string{"events", "internal/durable", "internal/plain"}},
	{"internal/eventstore", []string{"events"}},
	{"internal/usage", []string{"events", "commands", "internal/durable"}},
	// The archive is the audit log, held against the stream.
	{"internal/archive", []string{"events", "audit", "audit/layout", "internal/eventstore", "internal/plain"}},
	{"internal/archive/archivetest", []string{"events", "audit", "internal/eventstore", "internal/identity", "internal/natsserver"}},
	// What is done to the data of a node that does not run.
	{"internal/offline", []string{"internal/eventstore", "internal/natsserver"}},
	{"internal/doctor", []string{"events", "audit", "projections", "projections/tokens", "internal/archive", "internal/durable", "internal/eventstore", "internal/identity", "internal/natsserver", "internal/offline"}},
	{"internal/backup", []string{"events", "audit", "audit/layout", "internal/archive", "internal/durable", "internal/eventstore", "internal/identity", "internal/offline", "internal/plain"}},
	{"internal/follower", []string{"events", "audit", "commands", "projections", "internal/eventstore", "internal/identity"}},
	{"internal/auth", []string{"events", "commands", "commands/secret"}},
	{"internal/signin", []string{"events", "commands"}},
	{"internal/signin/signintest", nil},
	{"internal/ledger", []string{"events", "commands", "commands/secret", "projections", "projections/*", "audit", "audit/index", "audit/questions", "internal/auth", "internal/signin"}},
	{"internal/secretscan", []string{"commands", "commands/secret"}},
	// What the transports read and write alike.
	{"internal/wire", []string{"commands", "commands/secret", "client/api"}},
	{"internal/httpapi", []string{"events", "commands", "commands/secret", "projections/tokens", "audit", "audit/questions", "internal/auth", "internal/ledger", "internal/secretscan", "internal/signin", "internal/wire", "client/api"}},
	{"internal/natsapi", []string{"events", "commands", "commands/secret", "internal/auth", "internal/ledger", "internal/wire", "client/api"}},
	{"internal/extauthz", []string{"events", "commands", "commands/secret", "projections/tokens", "internal/auth", "internal/ledger", "internal/wire", "client/api"}},
	// The composition root knows everything.
	{"internal/server", []string{"*", "*/*"}},
	// Tests alone.
	{"internal/interop", nil},
	// The bench stands outside of the node and measures its parts.
	{"internal/bench", []string{"*", "*/*"}},
	{"cmd/tokenledger", []string{"audit", "audit/verify", "client", "client/api", "commands", "commands/secret", "internal/server", "internal/archive", "internal/backup", "internal/bench", "internal/config", "internal/doctor", "internal/follower", "internal/httpapi", "internal/identity", "projections"}},
}

func TestImportsFlowOneWay(t *testing.T) {
	for importPath, p := range packages(t) {
		name, own := ours(importPath)
		if !own {
			continue
		}
		allows, known := rule(name)
		if !known {
			t.Errorf("%s stands in no rule of this test: say what it may import, or put its code where it belongs", name)
			continue
		}
		for _, imp := range p.Imports {
			if target, own := ours(imp); own && !matches(allows, target) {
				t.Errorf("%s imports %s, which it may not", name, target)
			}
		}
	}
}

// Libraries that belong to one room each.
func TestHeavyLibrariesStayInTheirRooms(t *testing.T) {
	for library, rooms := range map[string][]string{
		"github.com/cockroachdb/pebble/v2": {"projections", "projections/*", "audit/index"},
		"filippo.io/torchwood":             {"audit", "audit/*"},
		"github.com/nats-io/":              {"internal/eventstore", "internal/natsserver", "internal/natsapi", "internal/natscallout", "internal/natscreds", "internal/server", "internal/bench", "internal/archive/archivetest", "client"},
		"github.com/alecthomas/kong":       {"cmd/tokenledger", "internal/config"},
		"github.com/vbauerster/mpb/v8":     {"cmd/tokenledger"},
		"github.com/prometheus/":           {"internal/telemetry"},
		"github.com/danielgtaylor/huma/v2": {"internal/httpapi"},
		"google.golang.org/grpc":           {"internal/extauthz"},
		"github.com/envoyproxy/":           {"internal/extauthz"},
		"github.com/coreos/go-oidc/v3":     {"internal/signin"},
		"golang.org/x/oauth2":              {"internal/signin"},
		"github.com/go-jose/go-jose/v4":    {"internal/signin/signintest"},
		"github.com/zitadel/oidc/v3":       {"internal/signin/signintest"},
	} {
		for importPath, p := range packages(t) {
			name, own := ours(importPath)
			if !own || matches(rooms, name) {
				continue
			}
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, library) {
					t.Errorf("%s imports %s; only %s may", name, imp, strings.Join(rooms, ", "))
				}
			}
		}
	}
}

// The facts can be read by any program: they need the standard library and ulid.
func TestEventsNeedsLittle(t *testing.T) {
	all := packages(t)
	for _, dep := range all[module+"/events"].Deps {
		if !all[dep].Standard && dep != "github.com/oklog/ulid/v2" {
			t.Errorf("events depends on %s", dep)
		}
	}
}

func rule(name string) (allows []string, known bool) {
	for _, r := range mayImport {
		if matches([]string{r.pkg}, name) {
			return r.allows, true
		}
	}
	return nil, false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}
