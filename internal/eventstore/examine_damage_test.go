package eventstore

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/internal/natsserver"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// A flipped bit makes one message unreadable, and a consumer wait before it for ever.
func TestExaminePassesWhatTheServerCannotRead(t *testing.T) {
	dir := t.TempDir()
	srv, nc := startServer(t, natsserver.Config{StoreDir: dir})
	s := openStore(t, Config{Conn: nc})
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	evs := newEvents(500)
	if _, err := s.Append(t.Context(), evs...); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	srv.Shutdown()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", Stream, "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatal(blocks, err)
	}
	raw, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	gone := map[uint64]bool{}
	for _, i := range []int{99, 249, 250} {
		at := bytes.Index(raw, []byte(evs[i].ID.String()))
		if at < 0 {
			t.Fatal("the event is not in the block")
		}
		raw[at] ^= 1
		gone[uint64(i+1)] = true
	}
	if err := os.WriteFile(blocks[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, nc = startServer(t, natsserver.Config{StoreDir: dir})
	s = openStore(t, Config{Conn: nc})
	st, err := s.State(t.Context())
	if err != nil || st.Last != 500 {
		t.Fatalf("the stream ends at %d, %v", st.Last, err)
	}
	examined(t, s, 1, 500, gone)
}
