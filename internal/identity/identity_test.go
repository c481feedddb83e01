package identity_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/internal/identity"
)

func TestIdentityIsMadeOnceAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ledger := ulid.Make()
	if err := first.Join(ledger); err != nil {
		t.Fatal(err)
	}
	again, err := identity.Open(dir)
	if err != nil || *again != *first || again.LedgerID != ledger {
		t.Fatalf("%+v after %+v: %v", again, first, err)
	}
	if _, err := note.NewVerifier(first.PublicKey); err != nil {
		t.Errorf("the public key is none: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	if signer, err := note.NewSigner(strings.TrimSpace(string(key))); err != nil || signer.Name() != first.LogOrigin {
		t.Errorf("the signing key does not belong to the identity: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files in %s: %v", len(files), dir, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestADamagedOrNewerIdentityIsRefusedAndLeftAsItIs(t *testing.T) {
	for content, wants := range map[string]string{
		`{"format": 2, "node": "n"}`: "newer version",
		`{"format": 1}`:              "names no node",
		`{"format": 1, "node`:        "backup",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "identity.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := identity.Open(dir); err == nil || !strings.Contains(err.Error(), wants) {
			t.Errorf("%s: %v, want %q", content, err, wants)
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != content {
			t.Errorf("%s became %s (%v)", content, left, err)
		}
	}
}

func TestTheLockIsExclusive(t *testing.T) {
	dir := t.TempDir()
	lock, err := identity.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = identity.LockDir(dir)
	if _, ok := errors.AsType[*identity.LockedError](err); !ok {
		t.Errorf("a second lock: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := identity.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Release()
}
