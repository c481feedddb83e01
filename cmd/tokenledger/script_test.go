package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// noSleepAtExit is for each run of the program: the race detector sleeps a second at
// every exit unless it is told not to, and the scripts run it some two hundred times.
const noSleepAtExit = "atexit_sleep_ms=0"

// TestMain makes the test binary run as tokenledger where a test calls it so.
func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", noSleepAtExit); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"tokenledger": main})
}

// TestScripts runs the sessions under testdata/script, each in a directory of its
// own, with the real program.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Each script says itself which node it calls, and as whom.
			env.Setenv("TOKENLEDGER_URL", "")
			env.Setenv("TOKENLEDGER_TOKEN", "")
			env.Setenv("GORACE", noSleepAtExit)
			return nil
		},
		Cmds: scriptCommands(),
	})
}

// scriptCommands are the commands of scripts beside testscript's own.
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	all := auditCommands()
	all["await"], all["setenv"] = awaitFile, setenv
	return all
}

// awaitFile is await FILE, which waits until the file exists.
func awaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	for range 6000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not come", args[0])
}

// setenv VAR FILE [PATH] sets a variable to what the file holds, or to what
// stands at the path (a.b.c) in its JSON.
func setenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: setenv VAR FILE [PATH]")
	}
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if len(args) == 3 {
		var v any
		ts.Check(json.Unmarshal([]byte(text), &v))
		for _, key := range strings.Split(args[2], ".") {
			m, ok := v.(map[string]any)
			if !ok || m[key] == nil {
				ts.Fatalf("there is no %s in %s", args[2], text)
			}
			v = m[key]
		}
		text = fmt.Sprint(v)
	}
	ts.Setenv(args[0], text)
}
