package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// console finds the README's sessions.
var console = regexp.MustCompile("(?s)```console\n(.*?)```")

var tokenID = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`)

// What differs from one ledger to the next.
var varying = []struct {
	pattern *regexp.Regexp
	becomes string
}{
	{tokenID, "ID"},
	{regexp.MustCompile(`\bsequence \d+`), "sequence N"}, // uses come in between
	{regexp.MustCompile(`(?m)^not signed yet .*\n`), ""}, // and after the checkpoint
	{regexp.MustCompile(`\b\d+ entries\b`), "N entries"},
	{regexp.MustCompile(`(?m)^entries +\d+$`), "entries N"},
	{regexp.MustCompile(`tokenledger/[0-9a-z]{26}(\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*)?`), "NODE"},
	{regexp.MustCompile(`[A-Za-z0-9+/]{43}=`), "ROOT"},
	{regexp.MustCompile(` {2,}`), "  "}, // columns are as wide as what stands in them
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
}

func settled(s string) string {
	for _, v := range varying {
		s = v.pattern.ReplaceAllString(s, v.becomes)
	}
	return strings.TrimSpace(s)
}

// TestREADME types the README's session into a shell, and holds what comes out
// against what the README prints.
func TestREADME(t *testing.T) {
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t)
	n.data = filepath.Join(n.dir, "tokenledger-data")
	n.start()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	var ids *strings.Replacer // from the README's id to the real one
	for _, session := range console.FindAllStringSubmatch(string(raw), -1) {
		for _, step := range strings.Split("\n"+session[1], "\n$ ")[1:] {
			command, want, _ := strings.Cut(step, "\n")
			if ids != nil {
				command = ids.Replace(command)
			}
			sh := exec.CommandContext(t.Context(), "sh", "-c", command)
			sh.Dir = n.dir
			sh.Env = []string{"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "TOKENLEDGER_URL=" + n.url, "TOKENLEDGER_TOKEN=" + n.token, noSleepAtExit}
			out, _ := sh.CombinedOutput() // a rejected token is an exit code of its own
			if mine, theirs := tokenID.Find(out), tokenID.FindString(want); ids == nil && mine != nil {
				ids = strings.NewReplacer(theirs, string(mine))
			}
			if got := settled(string(out)); got != settled(want) {
				t.Errorf("$ %s\nprints:\n%s\nthe README says:\n%s", command, got, settled(want))
			}
			commands++
		}
	}
	if commands < 4 {
		t.Errorf("the README has %d commands in its sessions", commands)
	}
}
