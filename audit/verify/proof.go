package verify

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// ProofFile is what an [*Error] of [VerifyProof] names.
const ProofFile = "proof"

// Proven is an entry that a proof has shown to be in a log.
type Proven struct {
	layout.Leaf
	// Bytes is the leaf as it stands in the log.
	Bytes []byte
	// Origin, Size and Root are those of the checkpoint that the proof leads to.
	Origin string
	Size   uint64
	Root   tlog.Hash
}

// VerifyProof reads a https://c2sp.org/tlog-proof whose extra data is the leaf, and
// looks whether the key has signed a log that has it. It needs nothing else. Its error
// is an [*Error].
func VerifyProof(proof []byte, key note.Verifier) (*Proven, error) {
	const hint = "was it copied whole, and is this the log's key? Get it again: tokenledger audit proof SEQ"
	wrong := func(format string, args ...any) (*Proven, error) {
		return nil, bad(ProofFile, hint, format, args...)
	}
	// What prints a file of text often ends it with one line feed more.
	for bytes.HasSuffix(proof, []byte("\n\n")) {
		proof = proof[:len(proof)-1]
	}
	leaf, err := torchwood.ProofExtraData(proof)
	if err != nil {
		return wrong("it is no proof with its entry: %v", err)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(key.Name()), torchwood.SingleVerifierPolicy(key))
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(leaf), proof); err != nil {
		return wrong("it does not prove its entry with the key %s: %v", key.Name(), err)
	}
	index, hashes, signed, err := splitProof(string(proof))
	if err != nil {
		return wrong("it cannot be read: %v", err)
	}
	if string(torchwood.FormatProofWithExtraData(index, leaf, hashes, []byte(signed))) != string(proof) {
		return wrong("it is not written as a proof is")
	}
	cp, err := openCheckpoint([]byte(signed), key)
	if err != nil {
		return wrong("its checkpoint is not signed by the key %s: %v", key.Name(), err)
	}
	l, err := layout.ParseLeaf(leaf)
	if err != nil {
		return wrong("what it proves is no entry of an audit log: %v", err)
	}
	if l.Seq != uint64(index)+1 {
		return nil, misplaced(ProofFile, l.Seq, uint64(index)+1)
	}
	return &Proven{Leaf: l, Bytes: leaf, Origin: cp.Origin, Size: uint64(cp.N), Root: cp.Hash}, nil
}

// splitProof reads the lines behind the extra data of a proof.
func splitProof(proof string) (index int64, hashes tlog.RecordProof, signed string, err error) {
	_, rest, _ := strings.Cut(proof, "\n") // the header
	_, rest, _ = strings.Cut(rest, "\n")   // the extra data
	line, rest, _ := strings.Cut(rest, "\n")
	if index, err = strconv.ParseInt(strings.TrimPrefix(line, "index "), 10, 64); err != nil {
		return 0, nil, "", err
	}
	for {
		var ok bool
		if line, rest, ok = strings.Cut(rest, "\n"); !ok {
			return 0, nil, "", fmt.Errorf("it has no checkpoint")
		}
		if line == "" {
			return index, hashes, rest, nil
		}
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return 0, nil, "", fmt.Errorf("%q is no hash", line)
		}
		hashes = append(hashes, tlog.Hash(h))
	}
}
