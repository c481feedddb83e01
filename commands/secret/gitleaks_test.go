package secret_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
)

const (
	gitleaksRule = "../../docs/gitleaks.toml"
	// gitleaks is what the rule is tested with.
	gitleaks = "github.com/zricethezav/gitleaks/v8@v8.30.1"
)

// tokensWanted are texts that hold a token, tokensNot such that hold none.
func scanned() (tokensWanted, tokensNot map[string]string) {
	mint := func() string { return secret.Mint(secret.DefaultPrefix, ulid.Make()).Reveal() }
	whole := mint()
	tokensWanted = map[string]string{
		"env":    "TOKENLEDGER_TOKEN=" + whole,
		"json":   `{"auth": "` + mint() + `"}`,
		"header": "Authorization: Bearer " + mint(),
		"url":    "https://shop.example/?key=" + mint() + "&page=2",
		"yaml":   "token: " + mint() + " # production",
		"alone":  mint(),
	}
	tokensNot = map[string]string{
		"copied short": "x=" + whole[:len(whole)-1],
		"too long":     "x=" + whole + "0",
		"in a word":    "x" + whole,
		"lower case":   strings.ToLower(whole),
		"a bad id":     strings.Replace(whole, whole[3:4], "I", 1),
		"the id alone": "tl_" + ulid.Make().String(),
		"a mask":       "tl_" + strings.Repeat("0", 26) + "_" + strings.Repeat("0", 39),
		"another":      secret.Mint("acme", ulid.Make()).Reveal(),
	}
	return tokensWanted, tokensNot
}

func TestTheGitleaksRuleMatchesTokensAndNothingElse(t *testing.T) {
	raw, err := os.ReadFile(gitleaksRule)
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`(?m)^regex = '''(.*)'''$`).FindSubmatch(raw)
	if written == nil {
		t.Fatalf("%s has no regex", gitleaksRule)
	}
	rule, err := regexp.Compile(string(written[1])) // gitleaks is written in Go, and compiles it so
	if err != nil {
		t.Fatal(err)
	}
	wanted, not := scanned()
	for name, text := range wanted {
		found := rule.FindStringSubmatch(text)
		if found == nil {
			t.Errorf("%s: not found", name)
			continue
		}
		if _, err := secret.Parse(secret.Of(found[1])); err != nil {
			t.Errorf("%s: what is found is no token", name)
		}
	}
	delete(not, "a mask") // the rule's entropy rules it out
	for name, text := range not {
		if rule.MatchString(text) {
			t.Errorf("%s: found", name)
		}
	}
}

// gitleaks itself, as people run it, finds each token with this rule, and no more. It is
// fetched through the Go module proxy at the first run, and built in some seconds;
// TOKENLEDGER_GITLEAKS names a binary of your own instead.
func TestGitleaksFindsTokens(t *testing.T) {
	dir := t.TempDir()
	binary := os.Getenv("TOKENLEDGER_GITLEAKS")
	if binary == "" {
		install := exec.Command("go", "install", gitleaks)
		install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "CGO_ENABLED=0")
		install.Dir = dir // outside of this module
		if out, err := install.CombinedOutput(); err != nil {
			t.Skipf("gitleaks was NOT run, so its rule is held against its regular expression alone: this needs %s through the module proxy, or a binary named by TOKENLEDGER_GITLEAKS: %v\n%s", gitleaks, err, out)
		}
		binary = filepath.Join(dir, "gitleaks")
	}
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o700); err != nil {
		t.Fatal(err)
	}
	wanted, not := scanned()
	for name, text := range wanted {
		if err := os.WriteFile(filepath.Join(src, "want "+name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range not {
		if err := os.WriteFile(filepath.Join(src, "not "+name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report := filepath.Join(dir, "report.json")
	scan := exec.Command(binary, "dir", src, "--config", gitleaksRule, "--report-format", "json", "--report-path", report, "--exit-code", "0", "--no-banner")
	if out, err := scan.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var found []struct{ RuleID, Secret, File string }
	if err := json.Unmarshal(raw, &found); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	for _, f := range found {
		name, ok := strings.CutPrefix(filepath.Base(f.File), "want ")
		if _, err := secret.Parse(secret.Of(f.Secret)); !ok || err != nil || f.RuleID != "tokenledger-api-token" {
			t.Errorf("%s: found by %s", f.File, f.RuleID)
		}
		delete(wanted, name)
	}
	for name := range wanted {
		t.Errorf("%s: not found", name)
	}
}
