package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/client/api"
)

// Whatever is made of a data directory carries its checkpoint, so a checkpoint that its
// key has not signed, or over entries that are gone, is found before anything is given.
func TestNoEvidenceIsMadeOfADamagedCheckpoint(t *testing.T) {
	data, _ := testLog(t, 300)
	file := filepath.Join(data, "audit", "checkpoint")
	signed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) []byte {
		b := bytes.Clone(signed)
		b[at] ^= 1
		return b
	}
	for what, c := range map[string]struct {
		checkpoint []byte
		says       string
	}{
		"its signature": {changed(len(signed) - 10), "is not one that this node's key tokenledger/test has signed"},
		"its origin":    {changed(2), "is not one that this node's key"},
		"its size":      {bytes.Replace(signed, []byte("\n300\n"), []byte("\n900\n"), 1), "is not one that this node's key"},
		"its end":       {signed[:len(signed)/2], "is not one that this node's key"},
		"more entries":  {signedOver(t, data, bytes.Replace(signed, []byte("\n300\n"), []byte("\n301\n"), 1)), "was signed over 301 entries, and the log has 300: entries were cut off"},
	} {
		if err := os.WriteFile(file, c.checkpoint, 0o600); err != nil {
			t.Fatal(err)
		}
		export := filepath.Join(t.TempDir(), "export")
		for _, args := range [][]string{
			{"audit", "checkpoint", "--data", data},
			{"audit", "proof", "5", "--data", data},
			{"audit", "consistency", "5", "--data", data},
			{"audit", "consistency", "5", "7", "--data", data},
			{"audit", "export-tiles", export, "--data", data},
		} {
			o := run(t, nobody, "", args...)
			if o.code != exitVerification || o.stdout != "" || !strings.Contains(o.stderr, "audit log: checkpoint "+c.says) || !strings.Contains(o.stderr, "hint: ") {
				t.Errorf("%s, %v: %+v", what, args, o)
			}
		}
		if _, err := os.Stat(export); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was exported: %v", what, err)
		}
	}
}

// signedOver signs a checkpoint's text anew.
func signedOver(t *testing.T, data string, checkpoint []byte) []byte {
	t.Helper()
	skey, err := os.ReadFile(filepath.Join(data, "keys", "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(string(skey))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	signed, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A damaged hash of the log on the disk is tampering, or as good as that, and so is what
// a node says of one.
func TestADamagedLogIsAFailedVerification(t *testing.T) {
	data, _ := testLog(t, 300)
	flip(t, filepath.Join(data, "audit", "tiles", "0"), 32*20+5)
	for _, args := range [][]string{
		{"audit", "consistency", "21", "40", "--data", data}, {"audit", "consistency", "21", "--data", data}, {"audit", "proof", "22", "--data", data},
	} {
		if o := run(t, nobody, "", args...); o.code != exitVerification || o.stdout != "" || !strings.Contains(o.stderr, "tiles/0 has hashes at its places from 0 on") {
			t.Errorf("%v: %+v", args, o)
		}
	}
	damaged := api.Problem{Status: 503, Code: "audit_log_damaged", Detail: "this node's audit log is not what was written: …", Hint: "…"}
	for _, args := range [][]string{{"audit", "consistency", "5"}, {"audit", "proof", "5"}, {"audit", "events"}, {"audit", "trace", "shop"}} {
		if o := run(t, answer(503, damaged), "", args...); o.code != exitVerification || o.stdout != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
