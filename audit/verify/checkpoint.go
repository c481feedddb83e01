package verify

import (
	"encoding/base64"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// maxCheckpoint bounds a checkpoint, in bytes, with the cosignatures of witnesses.
const maxCheckpoint = 1 << 20

// openCheckpoint reads a https://c2sp.org/tlog-checkpoint that the key has signed.
func openCheckpoint(signed []byte, key note.Verifier) (torchwood.Checkpoint, error) {
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(key.Name()), torchwood.SingleVerifierPolicy(key))
	cp, n, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return cp, err
	}
	// The decoder overlooks bits at a signature's end that say nothing. Nobody writes
	// them: bytes that are not those that were signed are not passed over.
	for _, s := range append(n.Sigs, n.UnverifiedSigs...) {
		if raw, err := base64.StdEncoding.DecodeString(s.Base64); err != nil || base64.StdEncoding.EncodeToString(raw) != s.Base64 {
			return cp, fmt.Errorf("the signature of %s is not written as a signature is", s.Name)
		}
	}
	return cp, nil
}

// opened is openCheckpoint of the log's checkpoint.
func opened(signed []byte, key note.Verifier) (torchwood.Checkpoint, error) {
	cp, err := openCheckpoint(signed, key)
	if err != nil {
		return cp, bad(layout.CheckpointFile, hintKey, "it is no checkpoint that the key %s has signed: %v", key.Name(), err)
	}
	return cp, nil
}
