package server_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/eventstore"
)

// A byte that flips in a block, together with an index that is gone (as after a
// crash), makes the broker roll back without a word, or lose a whole block.
func TestRefusesAFlippedByte(t *testing.T) {
	t.Parallel()
	n := filled(t, 40)
	clean := filepath.Join(n.dir, "clean")
	copyTree(t, n.data, clean)
	blocks := blockFiles(t, n.data)
	size := fileSize(t, blocks[len(blocks)-1])
	for _, at := range []int64{size / 10, size / 2, size - 40} {
		copyTree(t, clean, n.data)
		flip(t, blocks[len(blocks)-1], at)
		removeIndex(t, n.data)
		mustRefuseAndLeave(t, n)
	}
}

// A damaged block that the server has closed makes it leave out the whole stream, and
// would make it remove what is left of it.
func TestRefusesADamagedClosedBlockAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	n := filled(t, 3)
	n.start()
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, `{"sha256":"%064x","name":"%s"}`+"\n", i+1, strings.Repeat("n", 200))
	}
	if status, _, body := n.ask("POST", "/v1/tokens/import", n.token, lines.String()); status != 200 || bytes.Contains(body, []byte("failed")) {
		t.Fatalf("import: %d %.300s", status, body)
	}
	n.stop()
	blocks := blockFiles(t, n.data)
	if len(blocks) < 2 {
		t.Fatalf("there is no closed block: %v", blocks)
	}
	middle := fileSize(t, blocks[0]) / 2
	flip(t, blocks[0], middle)
	removeIndex(t, n.data)
	mustRefuseAndLeave(t, n, "cannot be read")
	flip(t, blocks[0], middle)
	n.start()
	if page, err := n.client().List(t.Context(), api.ListRequest{Limit: 1000}); err != nil || len(page.Tokens) != 1000 {
		t.Errorf("after the mend: %d tokens, %v", len(page.Tokens), err)
	}
}

func blockFiles(t *testing.T, data string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "stream", "jetstream", "*", "streams", eventstore.Stream, "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("block files: %v, %v", files, err)
	}
	slices.Sort(files)
	return files
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 0x10
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func removeIndex(t *testing.T, data string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "stream"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "index.db" {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
