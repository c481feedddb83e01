package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestTheTableOfSettingsIsServes holds the table of docs/operating.md against the flags of
// serve, both ways.
func TestTheTableOfSettingsIsServes(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Settings\n")
	table, _, _ = strings.Cut(table, "\n## ")
	documented := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, flag := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(cells[1], -1) {
			documented[flag[1]] = true
		}
	}
	parser, err := kong.New(&commandLine{})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range parser.Model.Leaves(false) {
		if verb.Name != "serve" {
			continue
		}
		for _, flag := range verb.Flags {
			if !documented[flag.Name] {
				t.Errorf("docs/operating.md lacks --%s", flag.Name)
			}
			delete(documented, flag.Name)
		}
	}
	for flag := range documented {
		t.Errorf("docs/operating.md has --%s, which serve has not", flag)
	}
}
