//go:build unix

package verify_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
)

// What is neither a file nor a directory might keep a reader for ever, or lead him
// elsewhere.
func TestWhatIsNoFileIsAnErrorAndNeverAWait(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	to := exported(t, dir)
	for _, c := range []struct {
		dir   string
		open  func(string) verify.Source
		names []string
	}{
		{dir, verify.Dir, []string{layout.SegmentFile(0), layout.OffsetsFile, layout.StateFile, layout.CheckpointFile, "tiles/0", "tiles/1", "stray"}},
		{to, verify.Export, []string{layout.CheckpointFile, "tile/entries/000", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "stray"}},
	} {
		for _, name := range c.names {
			for what, make := range map[string]func(path string) error{
				"a named pipe":  func(path string) error { return syscall.Mkfifo(path, 0o600) },
				"a link loop":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
				"a link to it":  func(path string) error { return os.Symlink("/dev/zero", path) },
				"a socket file": func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) },
			} {
				t.Run(name+" "+what, func(t *testing.T) {
					own := linked(t, c.dir)
					path := filepath.Join(own, name)
					_ = os.Remove(path)
					if err := make(path); err != nil {
						t.Fatal(err)
					}
					begin := time.Now()
					_, err := check(t, c.open(own), k, nil)
					refused(t, err, name, 0, "it is no plain file")
					if took := time.Since(begin); took > 10*time.Second {
						t.Errorf("it took %s", took)
					}
				})
			}
		}
	}
}
