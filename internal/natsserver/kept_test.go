package natsserver

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// tree gives the files below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// damage does to the store what a server may do to it while it starts.
func damage(t *testing.T, store string) {
	t.Helper()
	if err := os.Remove(filepath.Join(store, "msgs", "1.blk")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(store, "msgs", "2.blk"), 3); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsKeptComesBack(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "stream")
	k, err := Keep(store) // of a first start
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Release(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(store, "msgs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"meta.inf": "meta", "msgs/1.blk": "cmp and more", "msgs/2.blk": "written to", "msgs/index.db": ""} {
		if err := os.WriteFile(filepath.Join(store, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, dir)

	if k, err = Keep(store); err != nil {
		t.Fatal(err)
	}
	damage(t, store)
	if err := k.PutBack(); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, dir); !maps.Equal(before, after) {
		t.Errorf("put back is %q, was %q", after, before)
	}

	// A start that was cut short: the next begins with the store as it was.
	if _, err = Keep(store); err != nil {
		t.Fatal(err)
	}
	damage(t, store)
	if k, err = Keep(store); err != nil {
		t.Fatal(err)
	}
	if err := k.PutBack(); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, dir); !maps.Equal(before, after) {
		t.Errorf("after a start that was cut short it is %q, was %q", after, before)
	}

	// What was released stays as the server has it.
	if k, err = Keep(store); err != nil {
		t.Fatal(err)
	}
	if err := k.Release(); err != nil {
		t.Fatal(err)
	}
	damage(t, store)
	damaged := tree(t, dir)
	if err := k.PutBack(); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, dir); !maps.Equal(damaged, after) {
		t.Errorf("after the release it is %q, was %q", after, damaged)
	}
}
