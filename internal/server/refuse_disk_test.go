package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

// small mounts a file system of a few MiB, where the tests may do that.
func small(t *testing.T, dir string, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	small(t, n.data, "64m")
	if err := syscall.Mount("", n.data, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot remount: %v", err)
	}
	n.launch()
	if code := n.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := n.log.String(); !strings.Contains(said, "read-only file system") {
		t.Errorf("it says:\n%s", said)
	}
}

// On a full disk every call gets a clear refusal, nothing that was acknowledged
// is lost, and a token that was revoked stays so.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	small(t, n.data, "96m")
	n.start()
	c := n.client()
	kept, err := c.Generate(t.Context(), api.GenerateRequest{Name: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := c.Generate(t.Context(), api.GenerateRequest{Name: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revoke(t.Context(), gone.Value.Token.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(n.data, "ballast"))
	acknowledged := 0
	var refusal error
	for refusal == nil && acknowledged < 100_000 {
		if _, refusal = c.Generate(t.Context(), api.GenerateRequest{Name: "while full"}); refusal == nil {
			acknowledged++
		}
	}
	if refusal == nil {
		t.Fatal("the disk does not get full")
	}
	t.Logf("%d more tokens fitted; then: %v", acknowledged, refusal)
	if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: gone.Value.Secret.Reveal()}); err == nil && a.Active {
		t.Error("a revoked token validates on a full disk")
	}
	if n.cmd != nil {
		n.kill()
	}
	from := n.log.Len()
	n.launch()
	if code := n.end(); code != 1 {
		t.Errorf("a start on the full disk ended with %d, want 1", code)
	}
	if said := n.log.String()[from:]; !strings.Contains(said, "no space left on device") {
		t.Errorf("a start on the full disk says:\n%s", said)
	}
	if err := os.Remove(filepath.Join(n.data, "ballast")); err != nil {
		t.Fatal(err)
	}
	n.start()
	c = n.client()
	if a, err := c.Validate(t.Context(), api.ValidateRequest{Token: kept.Value.Secret.Reveal()}); err != nil || !a.Active {
		t.Errorf("after there was room again: %+v, %v", a, err)
	}
	have := 0
	for _, err := range c.ListAll(t.Context(), api.ListRequest{Name: "while full", Limit: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		have++
	}
	if have < acknowledged || have > acknowledged+1 {
		t.Errorf("%d tokens are there, %d were acknowledged", have, acknowledged)
	}
}

// fill takes all the space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for len(chunk) > 0 {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
}
