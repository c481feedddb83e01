package server_test

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/events"
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

// closedBlock gives a stopped node whose stream has a block that the server has closed,
// and compressed, with that block and the number of the ledger's tokens.
func closedBlock(t *testing.T) (n *node, block string, tokens int) {
	t.Helper()
	n = filled(t, 3)
	// As large as events may be: a few of them fill the 8 MB of a block.
	const many = 150
	metadata := map[string]string{"large": strings.Repeat("n", events.MaxSize-2000)}
	large := make([]events.Event, many)
	for i := range large {
		id := ulid.Make()
		large[i] = events.Event{
			ID: ulid.Make(), Source: "/tokenledger/test", Subject: id.String(), Time: time.Now().UTC().Truncate(time.Millisecond), Tenant: events.DefaultTenant,
			Data: &events.TokenGenerated{
				About: events.About{TokenID: id, Actor: events.Actor{Type: "system", ID: "test", Name: "test"}},
				Name:  "large", SHA256: sha256.Sum256(id[:]), Metadata: metadata,
			},
		}
	}
	s := openStream(t, n.data)
	if _, err := s.store.Append(t.Context(), large...); err != nil {
		t.Fatal(err)
	}
	s.close()
	n.start()
	n.stop()
	blocks := blockFiles(t, n.data)
	if len(blocks) < 2 {
		t.Fatalf("there is no closed block: %v", blocks)
	}
	return n, blocks[0], 1 + 3 + many // with the root token
}

// A damaged block that the server has closed makes it leave out the whole stream, and
// would make it remove what is left of it, where it has to read the block at its start.
// With its index whole it does not read it, and says that it has every event. But it looks
// for repeated publications among those of the last half minute, which are all of the
// test's: it unpacks the damaged block for each, and that is most of the test's time.
func TestRefusesADamagedClosedBlockAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	n, block, tokens := closedBlock(t)
	middle := fileSize(t, block) / 2
	flip(t, block, middle)
	mustRefuseAndLeave(t, n, "the stream has no event at sequence 1, which was applied here", "tokenledger doctor")
	removeIndex(t, n.data)
	mustRefuseAndLeave(t, n, "cannot be read", "tokenledger doctor")
	flip(t, block, middle)
	n.start()
	if have := count(t, n, api.ListRequest{Limit: 10}); have != tokens {
		t.Errorf("after the mend: %d tokens, %d were there", have, tokens)
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
