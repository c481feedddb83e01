package main

import (
	"encoding/json"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/verify"
)

// maxProof bounds the file of a proof, in bytes: an entry in base64, its hashes, and a
// checkpoint.
const maxProof = 2 << 20

// provenEntry is the answer as JSON.
type provenEntry struct {
	Seq     uint64          `json:"seq"`
	Origin  string          `json:"origin"`
	Entries uint64          `json:"entries"`
	Root    tlog.Hash       `json:"root"`
	Entry   json.RawMessage `json:"entry"`
}

// verifyProof is --proof.
func (c *auditVerifyCmd) verifyProof(m *Main) error {
	switch {
	case c.VKey == "":
		return usage("no key to verify the proof with: give --vkey KEY")
	case c.Path != "" || c.Since != "" || c.Remember != "":
		return usage("--proof is verified by itself: without PATH, --since and --remember")
	}
	vkey, err := givenKey(c.VKey)
	if err != nil {
		return err
	}
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return usage("--vkey: %w", err)
	}
	proof, err := verify.ReadFile(c.Proof, maxProof)
	if err != nil {
		return doing("cannot read the proof", err)
	}
	p, err := verify.VerifyProof(proof, key)
	if err != nil {
		return doing("verification failed", err)
	}
	if c.JSON && json.Valid(p.Bytes) {
		return m.printJSON(provenEntry{p.Seq, p.Origin, p.Size, p.Root, p.Bytes})
	}
	fields := newTable()
	fields.field("sequence", strconv.FormatUint(p.Seq, 10))
	fields.field("of", entriesOf(p.Size))
	fields.field("root", p.Root.String())
	fields.field("origin", p.Origin)
	fields.field("signed by", vkey)
	return m.print("The log has this entry.\n\n" + fields.String() + "\n" + clean(strings.TrimSpace(string(p.Bytes))) + "\n")
}
