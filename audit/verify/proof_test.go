package verify_test

import (
	"bytes"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
)

func proofOf(t testing.TB, dir string, seq uint64) []byte {
	t.Helper()
	r, err := audit.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	proof, err := r.Proof(seq, read(t, dir, layout.CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestAProofShowsItsEntryAndAnyFlippedByteIsNoticed(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	for _, seq := range []uint64{1, 2, 256, 257, 300} {
		p, err := verify.VerifyProof(proofOf(t, dir, seq), k.verifier)
		if err != nil || p.Seq != seq || p.Size != 300 || p.Origin != k.Name() {
			t.Fatalf("%+v, %v", p, err)
		}
		if l, err := layout.ParseLeaf(p.Bytes); err != nil || l.Seq != seq || l.Subject != p.Subject {
			t.Errorf("%+v, %v", l, err)
		}
	}
	proof := proofOf(t, dir, 17)
	for at := range proof {
		proof[at] ^= 1 << (at % 8)
		_, err := verify.VerifyProof(proof, k.verifier)
		refused(t, err, verify.ProofFile, 0, "it ")
		proof[at] ^= 1 << (at % 8)
	}
	for n := range proof {
		if _, err := verify.VerifyProof(proof[:n], k.verifier); err == nil {
			t.Fatalf("the first %d bytes are enough", n)
		}
	}
	if _, err := verify.VerifyProof(append(bytes.Clone(proof), '\n'), k.verifier); err != nil {
		t.Errorf("with one line feed more: %v", err)
	}
	_, err := verify.VerifyProof(proof, newKey(t).verifier)
	refused(t, err, verify.ProofFile, 0, "it does not prove its entry with the key")
}

// Whoever has the key can prove an entry that is none, or stands in another's place.
func TestAProofOfWhatIsNotThatEntryIsRefused(t *testing.T) {
	k := newKey(t)
	leaf, err := layout.AppendLeaf(nil, layout.Leaf{Seq: 7, Received: began, Subject: "ledger.default.suspended", Event: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		entry []byte
		seq   uint64
		words string
	}{
		{leaf, 1, "the entry of sequence 7 stands in the place of sequence 1"},
		{[]byte("any bytes"), 0, "what it proves is no entry of an audit log"},
	} {
		text := torchwood.Checkpoint{Origin: k.Name(), Tree: tlog.Tree{N: 1, Hash: tlog.RecordHash(c.entry)}}.String()
		signed, err := note.Sign(&note.Note{Text: text}, k.Signer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.VerifyProof(torchwood.FormatProofWithExtraData(0, c.entry, nil, signed), k.verifier)
		refused(t, err, verify.ProofFile, c.seq, c.words)
	}
	// A proof without its entry shows nothing by itself.
	text := torchwood.Checkpoint{Origin: k.Name(), Tree: tlog.Tree{N: 1, Hash: tlog.RecordHash(leaf)}}.String()
	signed, err := note.Sign(&note.Note{Text: text}, k.Signer)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.VerifyProof(torchwood.FormatProof(0, nil, signed), k.verifier)
	refused(t, err, verify.ProofFile, 0, "it is no proof with its entry")
}
