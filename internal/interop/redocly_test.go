package interop_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// problems has Redocly's linter look at an OpenAPI document. They are what it says, one
// each, errors and warnings alike.
func problems(t *testing.T, document []byte) []string {
	t.Helper()
	cli, err := filepath.Abs(filepath.Join("redocly", "node_modules", "@redocly", "cli", "bin", "cli.js"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cli); err != nil {
		t.Fatal("the linter of Redocly is not installed; run make tools, which installs what these tests need")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"redocly.yaml": readRepo(t, "internal/interop/redocly/redocly.yaml"), "openapi.json": string(document)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A mistake in the configuration ends it with 2 and without a result.
	cmd := exec.CommandContext(t.Context(), program(t, "node"), cli, "lint", "openapi.json", "--config", "redocly.yaml", "--lint-config", "error", "--format", "json", "--max-problems", "1000")
	cmd.Dir = dir
	// By itself it asks the network for a later version, and tells who uses it.
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true"}
	out, err := cmd.Output()
	e, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		t.Fatal(err)
	}
	var result struct {
		Totals   *struct{ Errors, Warnings, Ignored int }
		Problems []struct {
			RuleID, Severity, Message string
			Location                  []struct{ Pointer string }
		}
	}
	if jsonErr := json.Unmarshal(out, &result); jsonErr != nil || result.Totals == nil {
		if failed {
			t.Fatalf("the linter gives no result: %v\n%s", err, e.Stderr)
		}
		t.Fatalf("the linter gives no result: %s", out)
	}
	all := []string{}
	for _, p := range result.Problems {
		where := ""
		if len(p.Location) > 0 {
			where = p.Location[0].Pointer
		}
		all = append(all, p.Severity+" "+p.RuleID+" at "+where+": "+p.Message)
	}
	if counted := result.Totals.Errors + result.Totals.Warnings + result.Totals.Ignored; counted != len(all) || failed != (result.Totals.Errors > 0) {
		t.Fatalf("the linter counts %+v, tells of %d, and ends with %v", *result.Totals, len(all), err)
	}
	return all
}

// TestTheOpenAPIDocumentIsWellFormed lints the document of the repository and that of a node
// that runs.
func TestTheOpenAPIDocumentIsWellFormed(t *testing.T) {
	t.Parallel()
	committed := readRepo(t, "docs/openapi.json")
	for name, document := range map[string]func(t *testing.T) []byte{
		"docs": func(*testing.T) []byte { return []byte(committed) },
		"node": func(t *testing.T) []byte {
			res, err := http.Get(startNode(t, nil).URL() + "/openapi.json")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s, %v: %s", res.Status, err, body)
			}
			return body
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range problems(t, document(t)) {
				t.Error(p)
			}
		})
	}
	// It does look.
	t.Run("with mistakes", func(t *testing.T) {
		t.Parallel()
		bad := strings.NewReplacer(`"303"`, `"399"`, `"get-healthz"`, `"get-readyz"`, `#/components/responses/NotFound`, `#/components/responses/Nowhere`).Replace(committed)
		got := strings.Join(problems(t, []byte(bad)), "\n")
		for _, want := range []string{"rule/operation-succeeds at #/paths/~1v1~1session~1login", "operation-operationId-unique", "no-unresolved-refs"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in\n%s", want, got)
			}
		}
	})
}
