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
	if err := l.WaitFor(t.Context(), 600); err != nil {
		t.Fatal(err)
	}
	for _, older := range []uint64{1, 2, 255, 256, 257, 599, 600} {
		p, err := l.ProveConsistency(older, 600)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(p, 600, rootOf(t, 600), int64(older), rootOf(t, older)); err != nil {
			t.Errorf("from %d: %v", older, err)
		}
	}
	if _, err := l.ProveConsistency(1, 601); err == nil {
		t.Error("there is a proof of what is not there")
	}
	signed, err := l.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sizes := range [][2]uint64{{1, 600}, {1, 0}, {256, 300}, {600, 600}, {1, 1}, {255, 256}} {
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
	}
}
