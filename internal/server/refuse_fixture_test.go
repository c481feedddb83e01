package server_test

import (
	"crypto/sha256"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// exitVerification is the exit code for a stream that is not the one that was
// followed before.
const exitVerification = 4

// filled gives a stopped node with some history.
func filled(t *testing.T, tokens int) *node {
	t.Helper()
	n := newNode(t)
	n.start()
	c := n.client()
	for range tokens {
		if _, err := c.Generate(t.Context(), api.GenerateRequest{Name: "before the fault"}); err != nil {
			t.Fatal(err)
		}
	}
	n.stop()
	return n
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// mustRefuse starts the node, which has to end with the exit code of a failed
// verification and words for the operator, and has to leave the read model and
// the identity as they were.
func mustRefuse(t *testing.T, n *node, words ...string) {
	t.Helper()
	for range 2 { // the second start must not find the first's mess in order
		from := n.log.Len()
		n.launch()
		if code := n.end(); code != exitVerification {
			t.Fatalf("exit code %d, want %d", code, exitVerification)
		}
		said := n.log.String()[from:]
		for _, w := range append(words, "refuses to serve") {
			if !strings.Contains(said, w) {
				t.Errorf("the node does not say %q:\n%s", w, said)
			}
		}
		if strings.Contains(said, "new ledger was created") {
			t.Errorf("the node made a new ledger:\n%s", said)
		}
	}
}

// mustRefuseAndLeave is mustRefuse of a node that has to leave the stream's store as it
// is as well: it may be the only copy.
func mustRefuseAndLeave(t *testing.T, n *node, words ...string) {
	t.Helper()
	stream := filepath.Join(n.data, "stream")
	before := contents(t, stream)
	mustRefuse(t, n, words...)
	if after := contents(t, stream); !maps.Equal(before, after) {
		t.Errorf("the refusal changed the store's files: %d before, %d after", len(before), len(after))
	}
	if left, _ := filepath.Glob(stream + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// contents gives the SHA-256 of each file below dir.
func contents(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files := make(map[string][32]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = sha256.Sum256(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
