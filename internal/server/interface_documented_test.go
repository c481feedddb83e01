package server_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// documentedCall is a call of docs/openapi.json with the statuses that it may answer with.
type documentedCall struct {
	method   string
	path     *regexp.Regexp
	statuses map[string]json.RawMessage
}

var documentedCalls = sync.OnceValues(func() (all []documentedCall, err error) {
	raw, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Paths map[string]map[string]struct{ Responses map[string]json.RawMessage }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	for path, methods := range doc.Paths {
		pattern := regexp.MustCompile(`\\\{path\\\}`).ReplaceAllString(regexp.QuoteMeta(path), ".+")
		pattern = regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, "[^/]+")
		for method, op := range methods {
			all = append(all, documentedCall{strings.ToUpper(method), regexp.MustCompile("^" + pattern + "$"), op.Responses})
		}
	}
	return all, nil
})

// checkDocumented holds an answer of any test against the document: a status that a call
// answers with stands there. A path that takes other methods, or is none, is in no call.
func checkDocumented(t *testing.T, method, path string, status int) {
	t.Helper()
	calls, err := documentedCalls()
	if err != nil {
		t.Fatal(err)
	}
	path, _, _ = strings.Cut(path, "?")
	for _, c := range calls {
		// What is fixed comes before what is a parameter: /tokens/revoke is no token's id.
		if c.method != method || !c.path.MatchString(path) || strings.Contains(c.path.String(), "[^/]+") && fixed(calls, method, path) {
			continue
		}
		if _, ok := c.statuses[strconv.Itoa(status)]; !ok {
			t.Errorf("%s %s answered %d, which docs/openapi.json does not say", method, path, status)
		}
		return
	}
}

func fixed(calls []documentedCall, method, path string) bool {
	for _, c := range calls {
		if c.method == method && c.path.String() == "^"+regexp.QuoteMeta(path)+"$" {
			return true
		}
	}
	return false
}
