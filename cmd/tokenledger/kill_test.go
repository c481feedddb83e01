package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
)

// killed runs tokenledger, kills it somewhere in between, and then runs it to its end,
// which must come well.
func killed(t *testing.T, within time.Duration, args ...string) {
	t.Helper()
	path, err := exec.LookPath("tokenledger")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(rand.Int64N(int64(within))))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	mustRun(t, args...)
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tokenledger")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("tokenledger %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Whenever a backup, a restore, or the doctor is killed, the next run ends well, and no
// event is lost. make chaos does it more often.
func TestKillInTheMiddle(t *testing.T) {
	const n = 3000
	rounds := 2
	if more := os.Getenv("TOKENLEDGER_KILL_ROUNDS"); more != "" {
		var err error
		if rounds, err = strconv.Atoi(more); err != nil {
			t.Fatal(err)
		}
	}
	d := archivetest.New(t, n)
	d.Append(7) // not in the log
	d.Flip(42)
	for i := range rounds {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			dir := t.TempDir()
			data := filepath.Join(dir, "data")
			if err := os.CopyFS(data, os.DirFS(d.Dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(data, "keys"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"identity.json", "log.key", "evidence.json"} {
				if err := os.Chmod(filepath.Join(data, "keys", name), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			killed(t, 300*time.Millisecond, "doctor", "--data", data, "--restore-stream")
			if out := mustRun(t, "doctor", "--data", data); !strings.Contains(out, fmt.Sprintf("stream: up to sequence %d", n+7)) {
				t.Error(out)
			}
			damaged, err := filepath.Glob(filepath.Join(data, "stream.damaged-*"))
			if err != nil || len(damaged) == 0 {
				t.Errorf("the damaged store is gone: %v", err)
			}
			backup := filepath.Join(dir, "backup")
			killed(t, 150*time.Millisecond, "backup", backup, "--data", data)
			again := filepath.Join(dir, "again")
			killedRestore(t, backup, again)
			if out := mustRun(t, "doctor", "--data", again); !strings.Contains(out, fmt.Sprintf("stream: up to sequence %d", n)) {
				t.Error(out)
			}
		})
	}
}

// killedRestore is killed, but for a restore that had come to its end when it was.
func killedRestore(t *testing.T, backup, data string) {
	t.Helper()
	path, err := exec.LookPath("tokenledger")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "restore", backup, "--data", data)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(500 * time.Millisecond))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := os.Stat(filepath.Join(data, "keys")); errors.Is(err, os.ErrNotExist) {
		mustRun(t, "restore", backup, "--data", data)
	}
}
