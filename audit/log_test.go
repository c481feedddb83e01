package audit_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key is a log's key.
type key struct {
	note.Signer
	verifier note.Verifier
}

func newKey(t testing.TB) key {
	t.Helper()
	signing, verifying, err := note.GenerateKey(rand.Reader, "tokenledger/test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(signing)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(verifying)
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, verifier}
}

// began is when the first event of a test was received.
var began = time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)

// recorded gives the event at a sequence: the same bytes each time.
func recorded(t testing.TB, seq uint64) events.Recorded {
	t.Helper()
	var id ulid.ULID
	if err := id.SetTime(uint64(began.UnixMilli()) + seq); err != nil {
		t.Fatal(err)
	}
	id[15] = 1
	e := events.Event{
		ID: id, Source: "/tokenledger/test", Subject: id.String(), Time: began.Add(time.Duration(seq) * time.Millisecond).Truncate(time.Millisecond),
		Tenant: events.DefaultTenant,
		Data: &events.TokenSuspended{
			About: events.About{TokenID: id, Actor: events.Actor{Type: "system", ID: "test", Name: "test"}}, Reason: fmt.Sprintf("number %d", seq),
		},
	}
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return events.Recorded{Seq: seq, Received: e.Time.Add(time.Duration(seq)), Subject: events.StreamSubject(e), Raw: raw, Event: e}
}

func recordedRange(t testing.TB, first, last uint64) (all []events.Recorded) {
	for seq := first; seq <= last; seq++ {
		all = append(all, recorded(t, seq))
	}
	return all
}

// leaf gives the leaf of a sequence.
func leaf(t testing.TB, seq uint64) []byte {
	t.Helper()
	r := recorded(t, seq)
	b, err := layout.AppendLeaf(nil, layout.Leaf{Seq: r.Seq, Received: r.Received, Subject: r.Subject, Event: r.Raw})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rootOf is the root of the first n leaves, computed by another implementation.
func rootOf(t testing.TB, n uint64) tlog.Hash {
	t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, err error) {
		for _, i := range indexes {
			all = append(all, stored[i])
		}
		return all, nil
	})
	for i := range n {
		hashes, err := tlog.StoredHashes(int64(i), leaf(t, i+1), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(int64(n), read)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func open(t testing.TB, dir string, k key) *audit.Log {
	t.Helper()
	l, err := audit.Open(audit.Config{Dir: dir, Signer: k.Signer, Verifier: k.verifier})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheRootIsThatOfTheLeavesWhateverTheBatchesAndRestarts(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	l := open(t, dir, k)
	at := uint64(0)
	for _, n := range []uint64{1, 1, 2, 250, 3, 255, 256, 1, 700, 1000} {
		if err := l.Append(recordedRange(t, at+1, at+n)); err != nil {
			t.Fatal(err)
		}
		at += n
		if err := l.WaitFor(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if tree := l.Tree(); uint64(tree.N) != at || tree.Hash != rootOf(t, at) {
			t.Fatalf("%d leaves: the tree is %v", at, tree)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, k)
	}
	defer l.Close()
	signed, err := l.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cp, err := audit.OpenCheckpoint(signed, k.verifier)
	if err != nil || uint64(cp.N) != at || cp.Hash != rootOf(t, at) {
		t.Fatalf("%+v, %v", cp, err)
	}
	for _, seq := range []uint64{1, 2, 256, 257, at} {
		got, err := l.Leaf(seq)
		if err != nil || string(got) != string(leaf(t, seq)) {
			t.Fatalf("leaf %d is %q: %v", seq, got, err)
		}
		proof, err := l.Proof(seq, signed)
		if err != nil {
			t.Fatal(err)
		}
		policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(k.Name()), torchwood.SingleVerifierPolicy(k.verifier))
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(got), proof); err != nil {
			t.Errorf("the proof of %d: %v", seq, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, layout.EntriesDir)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// A log that rests has its checkpoint, also when somebody has waited for a commit.
func TestACheckpointIsSignedWithinASecondOfTheLastCommit(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	l := open(t, dir, k)
	defer l.Close()
	if err := l.Append(recordedRange(t, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitFor(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for {
		signed, err := os.ReadFile(filepath.Join(dir, layout.CheckpointFile))
		if err != nil {
			t.Fatal(err)
		}
		if cp, err := audit.OpenCheckpoint(signed, k.verifier); err != nil {
			t.Fatal(err)
		} else if cp.N == 3 {
			return
		}
		time.Sleep(20 * time.Millisecond)
		if t.Context().Err() != nil {
			return
		}
	}
}

// A log that is to be held against the stream first signs nothing of what it finds.
func TestALogThatMayNotSignYetSignsNothingNew(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	config := audit.Config{Dir: dir, Signer: k.Signer, Verifier: k.verifier, SignLater: true}
	l, err := audit.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(recordedRange(t, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if signed, err := l.Checkpoint(t.Context()); err != nil || l.Signed() != 0 {
		t.Errorf("it has signed %q: %v", signed, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = audit.Open(config); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Signed() != 0 || l.Size() != 3 {
		t.Errorf("after a restart, %d of %d entries are signed", l.Signed(), l.Size())
	}
	l.Sign()
	if _, err := l.Checkpoint(t.Context()); err != nil || l.Signed() != 3 {
		t.Errorf("%d entries are signed: %v", l.Signed(), err)
	}
}

// Who takes the checkpoint away does not make the log one that nothing was signed of.
func TestALogWithoutItsCheckpointIsRefused(t *testing.T) {
	k := newKey(t)
	dir := t.TempDir()
	l := open(t, dir, k)
	if err := l.Append(recordedRange(t, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, layout.CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	_, err := audit.Open(audit.Config{Dir: dir, Signer: k.Signer, Verifier: k.verifier})
	if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != layout.CheckpointFile {
		t.Errorf("it opens: %v", err)
	}
}

// An entry and its hash that do not agree: what else the log holds says which of the two
// is damaged.
func TestWhatIsDamagedIsBlamed(t *testing.T) {
	const in, last = 301, 551 // in a full tile, in the last one
	dir := t.TempDir()
	l := open(t, dir, newKey(t))
	if err := l.Append(recordedRange(t, 1, 600)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadFile(filepath.Join(dir, layout.SegmentFile(0)))
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{in, last} {
		for file, at := range map[string]int{
			layout.TileFile(0):    int(seq-1)*layout.HashSize + 5,
			layout.SegmentFile(0): bytes.Index(entries, fmt.Appendf(nil, "number %d", seq)),
		} {
			path := filepath.Join(dir, file)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := bytes.Clone(whole)
			damaged[at] ^= 1
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := audit.OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Leaf(seq)
			if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != file || !strings.Contains(bad.Problem, fmt.Sprint(seq)) {
				t.Errorf("entry %d, with damage in %s: %v", seq, file, err)
			}
			if err := errors.Join(r.Close(), os.WriteFile(path, whole, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is no file in the place of one is damage, and no trouble of the disk.
func TestAFileThatIsNoneIsDamage(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, newKey(t))
	if err := l.Append(recordedRange(t, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{layout.SegmentFile(0), layout.TileFile(0)} {
		path := filepath.Join(dir, file)
		if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		r, err := audit.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Leaf(1)
		if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != file {
			t.Errorf("%s: %v", file, err)
		}
		if err := errors.Join(r.Close(), os.Remove(path), os.Rename(path+".away", path)); err != nil {
			t.Fatal(err)
		}
	}
}

// The proof that a later tree begins with an earlier one.
func TestConsistencyIsProved(t *testing.T) {
	k := newKey(t)
	l := open(t, t.TempDir(), k)
	defer l.Close()
	if err := l.Append(recordedRange(t, 1, 600)); err != nil {
		t.Fatal(err)
	}
	signed, err := l.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sizes := range [][2]uint64{{1, 600}, {1, 0}, {256, 300}, {600, 600}, {1, 1}, {255, 256}, {2, 600}, {255, 600}, {256, 0}, {257, 600}, {599, 600}} {
		c, err := l.Consistency(sizes[0], sizes[1], signed)
		if err != nil {
			t.Fatal(err)
		}
		newer := sizes[1]
		if newer == 0 {
			newer = 600
		}
		if uint64(c.Older.N) != sizes[0] || uint64(c.Newer.N) != newer || (c.Checkpoint != nil) != (newer == 600) {
			t.Errorf("%d: %+v", sizes, c)
		}
		if err := tlog.CheckTree(c.Proof, c.Newer.N, rootOf(t, newer), c.Older.N, rootOf(t, sizes[0])); err != nil {
			t.Errorf("%d: %v", sizes, err)
		}
	}
	for _, sizes := range [][2]uint64{{0, 600}, {0, 0}, {601, 0}, {1, 601}, {2, 1}} {
		_, err := l.Consistency(sizes[0], sizes[1], signed)
		if _, ok := errors.AsType[*audit.NotYetError](err); !ok {
			t.Errorf("%d: %v", sizes, err)
		}
	}
	if err := l.Append(recordedRange(t, 601, 700)); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitFor(t.Context(), 700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Consistency(1, 601, signed); err == nil {
		t.Error("there is a proof of what is not signed")
	}
}

// A tile's number may not run over.
func TestATileThatIsNotThereIsNotServed(t *testing.T) {
	k := newKey(t)
	l := open(t, t.TempDir(), k)
	defer l.Close()
	if err := l.Append(recordedRange(t, 1, 300)); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitFor(t.Context(), 300); err != nil {
		t.Fatal(err)
	}
	for _, tile := range []tlog.Tile{{H: 8, L: 0, N: 1 << 56, W: 256}, {H: 8, L: -1, N: 1 << 56, W: 256}, {H: 8, L: 0, N: 1, W: 45}, {H: 8, L: 0, N: 2, W: 1}, {H: 8, L: 1, N: 0, W: 2}, {H: 8, L: 8, N: 0, W: 1}} {
		if b, err := l.Tile(tile); err == nil {
			t.Errorf("%+v has %d bytes", tile, len(b))
		}
		if b, err := l.ProvenTile(tile); err == nil {
			t.Errorf("%+v has %d proven bytes", tile, len(b))
		}
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	if err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b[:], at)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A damaged hash makes the older and the newer root agree with each other. Neither is
// given, however far from the newest checkpoint they are.
func TestNoProofIsMadeOfADamagedHash(t *testing.T) {
	for what, c := range map[string]struct {
		level int
		place int64
		sizes [][2]uint64
		seq   uint64 // whose proof needs the hash
	}{
		"in a full tile":              {0, 100, [][2]uint64{{101, 200}, {101, 0}, {101, 101}, {101, 300}, {50, 101}, {105, 140}, {101, 500}}, 102},
		"in the second tile":          {0, 300, [][2]uint64{{301, 400}, {257, 301}, {301, 301}, {280, 301}}, 302},
		"at the right edge":           {0, 550, [][2]uint64{{551, 580}, {520, 551}, {551, 600}, {551, 551}}, 552},
		"above the leaves, and whole": {1, 0, [][2]uint64{{256, 300}, {300, 550}, {512, 0}}, 300},
	} {
		k, dir := newKey(t), t.TempDir()
		l := open(t, dir, k)
		defer l.Close()
		if err := l.Append(recordedRange(t, 1, 600)); err != nil {
			t.Fatal(err)
		}
		signed, err := l.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		name := layout.TileFile(c.level)
		flip(t, filepath.Join(dir, name), c.place*layout.HashSize+5)
		for _, sizes := range c.sizes {
			got, err := l.Consistency(sizes[0], sizes[1], signed)
			if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != name {
				t.Errorf("%s: %d: %v %+v", what, sizes, err, got)
			}
		}
		_, err = l.Proof(c.seq, signed)
		if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != name {
			t.Errorf("%s: the proof of %d: %v", what, c.seq, err)
		}
	}
}

// A tile of hashes that is served is the log's, or there is none: whole, in part, and at
// the right edge.
func TestADamagedTileOfHashesIsNotServed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, newKey(t))
	defer l.Close()
	if err := errors.Join(l.Append(recordedRange(t, 1, 600)), l.WaitFor(t.Context(), 600)); err != nil {
		t.Fatal(err)
	}
	tile := func(level int, n int64, width int) tlog.Tile {
		return tlog.Tile{H: layout.TileHeight, L: level, N: n, W: width}
	}
	for _, c := range []struct {
		level int
		place int64
		tiles []tlog.Tile // that cannot be served
	}{
		{0, 300, []tlog.Tile{tile(0, 1, 256), tile(0, 1, 20), tile(0, 1, 200)}},
		{0, 550, []tlog.Tile{tile(0, 2, 88), tile(0, 2, 10)}},
		{1, 1, []tlog.Tile{tile(1, 0, 2), tile(1, 0, 1), tile(0, 1, 256)}},
	} {
		path := filepath.Join(dir, layout.TileFile(c.level))
		flip(t, path, c.place*layout.HashSize+5)
		for _, tile := range c.tiles {
			_, err := l.ProvenTile(tile)
			if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || !strings.HasPrefix(bad.File, layout.TilesDir) {
				t.Errorf("%d of level %d is damaged, and %v: %v", c.place, c.level, tile, err)
			}
		}
		if _, err := l.ProvenTile(tile(0, 0, 256)); err != nil {
			t.Errorf("%d of level %d is damaged: %v", c.place, c.level, err)
		}
		flip(t, path, c.place*layout.HashSize+5)
		for _, tile := range c.tiles {
			whole, err := l.Tile(tile)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := l.ProvenTile(tile); err != nil || !bytes.Equal(got, whole) {
				t.Errorf("%v: %d bytes, %v", tile, len(got), err)
			}
		}
	}
}

// Of a log that was altered as a whole, the checkpoint is what does not agree.
func TestAProofIsNotMadeForAnotherLogsCheckpoint(t *testing.T) {
	k := newKey(t)
	l, other := open(t, t.TempDir(), k), open(t, t.TempDir(), k)
	defer l.Close()
	defer other.Close()
	if err := errors.Join(l.Append(recordedRange(t, 1, 30)), l.WaitFor(t.Context(), 30)); err != nil {
		t.Fatal(err)
	}
	altered := recordedRange(t, 1, 30)
	altered[6].Raw = recorded(t, 8).Raw
	if err := other.Append(altered); err != nil {
		t.Fatal(err)
	}
	signed, err := other.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Consistency(10, 20, signed)
	if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != layout.CheckpointFile {
		t.Error(err)
	}
	_, err = l.Proof(3, signed)
	if bad, ok := errors.AsType[*audit.CorruptError](err); !ok || bad.File != layout.CheckpointFile {
		t.Error(err)
	}
}
