package audit_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
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
