package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/events"
)

// writeLog lets the audit log of a data directory, which is made if need be, grow to
// size entries, as a node does. text is in each entry.
func writeLog(data string, size uint64, text string) error {
	keys := filepath.Join(data, "keys")
	signing, err := os.ReadFile(filepath.Join(keys, "log.key"))
	if errors.Is(err, os.ErrNotExist) {
		skey, vkey, keyErr := note.GenerateKey(rand.Reader, "tokenledger/test")
		identity, jsonErr := json.Marshal(map[string]any{"format": 1, "node": "test", "log_origin": "tokenledger/test", "public_key": vkey})
		signing, err = []byte(skey), errors.Join(keyErr, jsonErr, os.MkdirAll(keys, 0o700),
			os.WriteFile(filepath.Join(keys, "log.key"), []byte(skey), 0o600),
			os.WriteFile(filepath.Join(keys, "identity.json"), identity, 0o600))
	}
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(string(signing))
	if err != nil {
		return err
	}
	vkey, err := vkeyOf(data)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	l, err := audit.Open(audit.Config{Dir: filepath.Join(data, "audit"), Signer: signer, Verifier: verifier})
	if err != nil {
		return err
	}
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for seq := l.Size() + 1; seq <= size; seq++ {
		var id ulid.ULID
		_ = id.SetTime(uint64(began.UnixMilli()) + seq)
		e := events.Event{ID: id, Source: "/tokenledger/test", Time: began.Add(time.Duration(seq) * time.Second), Tenant: events.DefaultTenant}
		about := events.About{Actor: events.Actor{Type: "system", ID: "test"}}
		if seq == 1 {
			e.Data = &events.LedgerCreated{About: about, LedgerID: id, LogOrigin: signer.Name(), PublicKey: vkey}
		} else {
			e.Subject, about.TokenID = id.String(), id
			e.Data = &events.TokenSuspended{About: about, Reason: text + " " + strconv.FormatUint(seq, 10)}
		}
		raw, err := events.Encode(e)
		if err != nil {
			return err
		}
		if err := l.Append([]events.Recorded{{Seq: seq, Received: e.Time, Subject: events.StreamSubject(e), Raw: raw, Event: e}}); err != nil {
			return err
		}
	}
	return l.Close()
}

// vkeyOf gives the key of the log of a data directory.
func vkeyOf(data string) (string, error) {
	var identity struct {
		PublicKey string `json:"public_key"`
	}
	raw, err := os.ReadFile(filepath.Join(data, "keys", "identity.json"))
	if err == nil {
		err = json.Unmarshal(raw, &identity)
	}
	return identity.PublicKey, err
}

// writeProof writes the proof of an entry of the log of a data directory.
func writeProof(data string, seq uint64, to string) error {
	r, err := audit.OpenReader(filepath.Join(data, "audit"))
	if err != nil {
		return err
	}
	defer r.Close()
	checkpoint, err := os.ReadFile(filepath.Join(data, "audit", "checkpoint"))
	if err != nil {
		return err
	}
	proof, err := r.Proof(seq, checkpoint)
	if err != nil {
		return err
	}
	return os.WriteFile(to, proof, 0o600)
}

// auditCommands are those of the scripts about the audit log:
//
//	writelog DIR SIZE TEXT    the log of a data directory grows to a size
//	writeproof DIR SEQ FILE   the proof of one of its entries
//	alter FILE OLD NEW        the first OLD in a file becomes NEW, of the same length
func auditCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	command := func(usage string, n int, do func(ts *testscript.TestScript, args []string) error) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != n {
				ts.Fatalf("usage: %s", usage)
			}
			ts.Check(do(ts, args))
		}
	}
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"writelog": command("writelog DIR SIZE TEXT", 3, func(ts *testscript.TestScript, args []string) error {
			size, err := strconv.ParseUint(args[1], 10, 64)
			return errors.Join(err, writeLog(ts.MkAbs(args[0]), size, args[2]))
		}),
		"writeproof": command("writeproof DIR SEQ FILE", 3, func(ts *testscript.TestScript, args []string) error {
			seq, err := strconv.ParseUint(args[1], 10, 64)
			return errors.Join(err, writeProof(ts.MkAbs(args[0]), seq, ts.MkAbs(args[2])))
		}),
		"alter": command("alter FILE OLD NEW", 3, func(ts *testscript.TestScript, args []string) error {
			return alter(ts.MkAbs(args[0]), args[1], args[2])
		}),
	}
}

func alter(path, from, to string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(b, []byte(from)) || len(from) != len(to) {
		return fmt.Errorf("%s has no %q, or %q is not as long", path, from, to)
	}
	return os.WriteFile(path, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600)
}

func testLog(t *testing.T, size uint64) (data, vkey string) {
	t.Helper()
	data = t.TempDir()
	if err := writeLog(data, size, "number"); err != nil {
		t.Fatal(err)
	}
	vkey, err := vkeyOf(data)
	if err != nil {
		t.Fatal(err)
	}
	return data, vkey
}
