package verify_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
)

// tessera has an export checked by an implementation that is not ours.
func tessera(dir string, k key) error {
	hashes := func(bundle []byte) (all [][]byte, err error) {
		var b api.EntryBundle
		if err := b.UnmarshalText(bundle); err != nil {
			return nil, err
		}
		for _, entry := range b.Entries {
			all = append(all, rfc6962.DefaultHasher.HashLeaf(entry))
		}
		return all, nil
	}
	return fsck.New(k.Name(), k.verifier, client.FileFetcher{Root: dir}, hashes, fsck.Opts{N: 2}).Check(context.Background())
}

func TestTesseraAcceptsAnExport(t *testing.T) {
	l := theLarge.get(t)
	if err := tessera(l.export, l.key); err != nil {
		t.Error(err)
	}
	k := newKey(t)
	dir := written(t, k, plain(k), 1)
	to := exported(t, dir)
	for _, size := range []uint64{1, 255, 256, 257, 1024, 1500} {
		write(t, dir, k, plain(k), size)
		export(t, dir, to) // over the one before
		if err := tessera(to, k); err != nil {
			t.Errorf("%d entries: %v", size, err)
		}
	}
	// It would notice, at one of the tiles above.
	flip(t, to, "tile/entries/002", 300)
	if err := tessera(to, k); err == nil || !strings.Contains(err.Error(), ": log has:") {
		t.Errorf("a flipped byte: %v", err)
	}
}

func TestTorchwoodReadsAnExport(t *testing.T) {
	l := theLarge.get(t)
	cp, err := audit.OpenCheckpoint(read(t, l.export, layout.CheckpointFile), l.key.verifier)
	if err != nil {
		t.Fatal(err)
	}
	tiles, err := torchwood.NewTileFS(os.DirFS(l.export))
	if err != nil {
		t.Fatal(err)
	}
	c, err := torchwood.NewClient(tiles)
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.OpenReader(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var leaves [][]byte
	if err := r.Leaves(1, largeSize, func(_ uint64, leaf []byte) error {
		leaves = append(leaves, leaf)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	for i, entry := range c.AllEntries(t.Context(), cp.Tree, 0) {
		if i != next || string(entry) != string(leaves[i]) {
			t.Fatalf("entry %d, where %d was to come: %s", i, next, entry)
		}
		next++
	}
	if err := c.Err(); err != nil || next != largeSize {
		t.Errorf("%d entries, %v", next, err)
	}
}
