package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	form
}

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return `Example:

    tokenledger version --json`
}

// build says what this program was built from, and with what.
type build struct {
	// Version is the module's, "(devel)" for a build that has none.
	Version string `json:"version"`
	// Revision, Time and Modified are of the commit, where the build knows it.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// linked is the version that the Makefile gives the linker; nothing writes it at
// run time.
var linked string

// readBuild reads what the Go linker recorded.
func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if linked != "" {
		b.Version = linked
	} else if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// Run implements the verb.
func (c *versionCmd) Run(m *Main) error {
	b := readBuild()
	if c.JSON {
		return m.printJSON(b)
	}
	text := fmt.Sprintf("tokenledger %s %s %s", b.Version, b.Go, b.Platform)
	if b.Revision != "" {
		text += " " + b.Revision
	}
	if b.Modified {
		text += " (with changes that are not committed)"
	}
	return m.print(text + "\n")
}
