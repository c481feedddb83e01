package verify_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
)

// What happens to files, each on the large log in both forms.
func TestFilesThatAreTruncatedMissingOrSwappedAreNamed(t *testing.T) {
	l := theLarge.get(t)
	truncate := func(name string, by int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			b := read(t, dir, name)
			put(t, dir, name, b[:len(b)-by])
		}
	}
	grow := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, dir, name, append(read(t, dir, name), "more"...)) }
	}
	gone := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { remove(t, dir, name) }
	}
	swap := func(a, b string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			rename(t, dir, a, "aside")
			rename(t, dir, b, a)
			rename(t, dir, "aside", b)
		}
	}
	first, last := layout.SegmentFile(0), layout.SegmentFile(1)
	for _, c := range []struct {
		what   string
		dir    string
		open   func(string) verify.Source
		change func(*testing.T, string)
		file   string
		seq    uint64
		words  string
	}{
		{"the last segment truncated", l.dir, verify.Dir, truncate(last, 1), last, 70_000, "within or before the entry of sequence 70000"},
		{"the first segment truncated", l.dir, verify.Dir, truncate(first, 1), first, 65_536, "within or before the entry of sequence 65536"},
		{"the first segment grown", l.dir, verify.Dir, grow(first), first, 0, "4 bytes behind its last entry, of sequence 65536"},
		{"the last segment empty", l.dir, verify.Dir, func(t *testing.T, dir string) { put(t, dir, last, nil) }, last, 65_537, "it ends at byte 0"},
		{"the last segment missing", l.dir, verify.Dir, gone(last), last, 0, "it is missing; it has the entries of the sequences from 65537 on"},
		{"the first segment missing", l.dir, verify.Dir, gone(first), first, 0, "it is missing"},
		{"segments swapped", l.dir, verify.Dir, swap(first, last), first, 1, "the entry of sequence 65537 stands in the place of sequence 1"},
		{"the offsets truncated", l.dir, verify.Dir, truncate(layout.OffsetsFile, 1), layout.OffsetsFile, 0, "it ends at byte 559999"},
		{"the offsets missing", l.dir, verify.Dir, gone(layout.OffsetsFile), layout.OffsetsFile, 0, "it is missing"},
		{"leaf hashes truncated", l.dir, verify.Dir, truncate("tiles/0", 32), "tiles/0", 0, "needs 2240000 at least"},
		{"leaf hashes missing", l.dir, verify.Dir, gone("tiles/0"), "tiles/0", 0, "it is missing"},
		{"tiles truncated", l.dir, verify.Dir, truncate("tiles/1", 1), "tiles/1", 0, "it ends at byte 8735"},
		{"tiles missing", l.dir, verify.Dir, gone("tiles/2"), "tiles/2", 0, "it is missing"},
		{"tiles swapped", l.dir, verify.Dir, swap("tiles/1", "tiles/2"), "tiles/1", 0, ""},
		{"the state missing", l.dir, verify.Dir, gone(layout.StateFile), layout.StateFile, 0, "it is missing"},
		{"the state empty", l.dir, verify.Dir, func(t *testing.T, dir string) { put(t, dir, layout.StateFile, nil) }, layout.StateFile, 0, "it holds no state"},
		{"the checkpoint missing", l.dir, verify.Dir, gone(layout.CheckpointFile), layout.CheckpointFile, 0, "it is missing"},
		{"the checkpoint empty", l.dir, verify.Dir, func(t *testing.T, dir string) { put(t, dir, layout.CheckpointFile, nil) }, layout.CheckpointFile, 0, "it is no checkpoint"},
		{"the checkpoint huge", l.dir, verify.Dir, func(t *testing.T, dir string) {
			put(t, dir, layout.CheckpointFile, make([]byte, 2<<20))
		}, layout.CheckpointFile, 0, "it is larger"},

		{"a bundle truncated", l.export, verify.Export, truncate("tile/entries/100", 1), "tile/entries/100", 25_856, "within or before the entry of sequence 25856"},
		{"a bundle grown", l.export, verify.Export, grow("tile/entries/100"), "tile/entries/100", 0, "4 bytes behind its last entry"},
		{"a bundle missing", l.export, verify.Export, gone("tile/entries/100"), "tile/entries/100", 0, "it is missing"},
		{"bundles swapped", l.export, verify.Export, swap("tile/entries/100", "tile/entries/200"), "tile/entries/100", 25_601, "the entry of sequence 51201 stands in the place of sequence 25601"},
		{"the partial bundle truncated", l.export, verify.Export, truncate("tile/entries/273.p/112", 1), "tile/entries/273.p/112", 70_000, "the entry of sequence 70000"},
		{"the partial bundle missing", l.export, verify.Export, gone("tile/entries/273.p/112"), "tile/entries/273.p/112", 0, "it is missing"},
		{"leaf hashes truncated", l.export, verify.Export, truncate("tile/0/100", 32), "tile/0/100", 0, "it has 8160 bytes, and a tile of 256 hashes has 8192"},
		{"leaf hashes missing", l.export, verify.Export, gone("tile/0/100"), "tile/0/100", 0, "it is missing"},
		{"a partial tile grown", l.export, verify.Export, grow("tile/0/273.p/112"), "tile/0/273.p/112", 0, "it has 3588 bytes"},
		{"a partial tile missing", l.export, verify.Export, gone("tile/1/001.p/17"), "tile/1/001.p/17", 0, "it is missing"},
		{"the top missing", l.export, verify.Export, gone("tile/2/000.p/1"), "tile/2/000.p/1", 0, "it is missing"},
		{"tiles swapped", l.export, verify.Export, swap("tile/0/100", "tile/0/200"), "tile/0/100", 25_601, "its hash for the entry of sequence 25601"},
		{"the checkpoint missing", l.export, verify.Export, gone(layout.CheckpointFile), layout.CheckpointFile, 0, "it is missing"},
	} {
		t.Run(c.what+" "+filepath.Base(c.dir), func(t *testing.T) {
			dir := linked(t, c.dir)
			c.change(t, dir)
			_, err := check(t, c.open(dir), l.key, nil)
			refused(t, err, c.file, c.seq, c.words)
		})
	}
}

// Whoever can write the files can recompute all hashes. He cannot sign.
func TestATreeThatIsConsistentAndNotSignedIsRefused(t *testing.T) {
	k := newKey(t)
	genuine := written(t, k, plain(k), 600)
	signed := read(t, genuine, layout.CheckpointFile)
	forger := newKey(t)
	const words = "entries were altered, removed or reordered and all hashes recomputed; the signature does not cover it"
	for what, s := range map[string]story{
		"two entries swapped": plain(k).swapped(100, 200),
		"one removed":         plain(k).without(100),
	} {
		t.Run(what, func(t *testing.T) {
			dir := written(t, forger, s, 600)
			to := exported(t, dir)
			for _, form := range []struct {
				dir string
				src verify.Source
			}{{dir, verify.Dir(dir)}, {to, verify.Export(to)}} {
				put(t, form.dir, layout.CheckpointFile, signed)
				_, err := check(t, form.src, k, nil)
				refused(t, err, layout.CheckpointFile, 0, words)
			}
			// His own signature is another key's.
			_, err := check(t, verify.Dir(written(t, forger, s, 600)), k, nil)
			refused(t, err, layout.CheckpointFile, 0, "it is no checkpoint that the key tokenledger/test has signed")
		})
	}
}

// The same, with the entries as they were: their sequences tell.
func TestEntriesThatAreSwappedWithTheirHashesAreNamed(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 200)
	lines := bytes.SplitAfter(read(t, dir, layout.SegmentFile(0)), []byte("\n"))
	a, b := 149, 159
	lines[a], lines[b] = lines[b], lines[a]
	put(t, dir, layout.SegmentFile(0), bytes.Join(lines, nil))
	hashes := read(t, dir, layout.TileFile(0))
	for i := range layout.HashSize {
		hashes[a*layout.HashSize+i], hashes[b*layout.HashSize+i] = hashes[b*layout.HashSize+i], hashes[a*layout.HashSize+i]
	}
	put(t, dir, layout.TileFile(0), hashes)
	var offsets []byte
	end := 0
	for _, line := range lines[:200] {
		end += len(line)
		offsets = binary.BigEndian.AppendUint64(offsets, uint64(end))
	}
	put(t, dir, layout.OffsetsFile, offsets)
	_, err := check(t, verify.Dir(dir), k, nil)
	refused(t, err, layout.SegmentFile(0), 150, "the entry of sequence 160 stands in the place of sequence 150")
}

// Whoever holds the key can sign another log. Who remembers a checkpoint notices.
func TestALogThatWasRewrittenAndSignedIsNoticedByWhoRemembers(t *testing.T) {
	k := newKey(t)
	before := written(t, k, plain(k), 600)
	remembered := read(t, before, layout.CheckpointFile)
	rewritten := plain(k).swapped(100, 200)
	dir := written(t, k, rewritten, 700)
	for _, src := range []func() verify.Source{
		func() verify.Source { return verify.Dir(dir) },
		func() verify.Source { return verify.Export(exported(t, dir)) },
	} {
		if _, err := check(t, src(), k, nil); err != nil {
			t.Fatalf("without a memory it is a log like others: %v", err)
		}
		_, err := check(t, src(), k, remembered)
		refused(t, err, layout.CheckpointFile, 0, "The log was rewritten at or below sequence 600")
	}
	// The true log goes on.
	write(t, before, k, plain(k), 700)
	r, err := check(t, verify.Dir(before), k, remembered)
	if err != nil || r.Since == nil || *r.Since != 600 {
		t.Errorf("%+v, %v", r, err)
	}
	// It is not rewritten behind what is remembered.
	if _, err := check(t, verify.Dir(written(t, k, plain(k).swapped(650, 660), 700)), k, remembered); err != nil {
		t.Error(err)
	}
}

func TestAnOlderCheckpointThanTheRememberedIsRefused(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	old := read(t, dir, layout.CheckpointFile)
	oldExport := exported(t, dir)
	write(t, dir, k, plain(k), 400)
	remembered := read(t, dir, layout.CheckpointFile)
	const words = "it was signed over 300 entries, and one over 400 is remembered: the log was rolled back, or an older checkpoint is shown again"
	put(t, dir, layout.CheckpointFile, old)
	_, err := check(t, verify.Dir(dir), k, remembered)
	refused(t, err, layout.CheckpointFile, 0, words)
	_, err = check(t, verify.Export(oldExport), k, remembered)
	refused(t, err, layout.CheckpointFile, 0, words)
}

func TestAForkIsKeptAsEvidence(t *testing.T) {
	k := newKey(t)
	one, other := written(t, k, plain(k), 300), written(t, k, plain(k).without(7), 300)
	remembered, shown := read(t, one, layout.CheckpointFile), read(t, other, layout.CheckpointFile)
	evidence := t.TempDir()
	o := verify.Options{Key: k.vkey, Since: [][]byte{remembered}, EvidenceDir: evidence}
	for _, src := range []verify.Source{verify.Dir(other), verify.Export(exported(t, other))} {
		_, err := verify.Verify(t.Context(), src, o)
		e := refused(t, err, layout.CheckpointFile, 0, "the key has signed two logs")
		if filepath.Dir(e.Evidence) != evidence || !strings.Contains(e.Hint, e.Evidence) {
			t.Fatalf("%+v", e)
		}
		kept, err := os.ReadFile(e.Evidence)
		if err != nil || !bytes.Contains(kept, remembered) || !bytes.Contains(kept, shown) {
			t.Errorf("%s, %v", kept, err)
		}
		for _, part := range strings.Split(string(kept), " =====\n")[1:] {
			n, _, _ := strings.Cut(part, "\n=====")
			if _, err := note.Open([]byte(n), note.VerifierList(k.verifier)); err != nil {
				t.Errorf("%q: %v", n, err)
			}
		}
	}
	names, err := filepath.Glob(filepath.Join(evidence, "tokenledger-fork-300-????????-????????.txt"))
	if err != nil || len(names) != 1 || len(files(t, evidence)) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	// Where it cannot be kept, the fork is no smaller.
	o.EvidenceDir = filepath.Join(evidence, "missing")
	_, err = verify.Verify(t.Context(), verify.Dir(other), o)
	if e := refused(t, err, layout.CheckpointFile, 0, "the key has signed two logs"); e.Evidence != "" || !strings.Contains(e.Hint, "could not be kept") {
		t.Errorf("%+v", e)
	}
}

func TestAMemoryOfAnotherLogIsRefused(t *testing.T) {
	k := newKey(t)
	other := newKey(t)
	_, err := check(t, verify.Dir(written(t, k, plain(k), 3)), k, read(t, written(t, other, plain(other), 2), layout.CheckpointFile))
	refused(t, err, "remembered checkpoint", 0, "it is no checkpoint that the key tokenledger/test has signed")
}

func TestTheFirstEntryNamesTheKey(t *testing.T) {
	k, other := newKey(t), newKey(t)
	dir := written(t, k, plain(other), 3)
	_, err := check(t, verify.Dir(dir), k, nil)
	refused(t, err, layout.SegmentFile(0), 1, "names the log's key "+other.vkey)
	_, err = check(t, verify.Export(exported(t, dir)), k, nil)
	refused(t, err, "tile/entries/000.p/3", 1, "names the log's key")
	_, err = check(t, verify.Dir(written(t, k, plain(k).without(1), 3)), k, nil)
	refused(t, err, layout.SegmentFile(0), 1, "is no tokenledger.ledger.created.v1")
}

// What lies behind what the state counts is of a crash. It is told, and is no error.
func TestWhatACrashLeavesIsNoted(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	names := []string{layout.SegmentFile(0), layout.OffsetsFile, "tiles/0", "tiles/1"}
	for _, name := range names {
		put(t, dir, name, append(read(t, dir, name), "torn"...))
	}
	for _, name := range []string{layout.SegmentFile(1), "tiles/2"} {
		put(t, dir, name, []byte("torn"))
		names = append(names, name)
	}
	r, err := check(t, verify.Dir(dir), k, nil)
	if err != nil || len(r.Warnings) != len(names) {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, name := range names {
		if !strings.Contains(fmt.Sprint(r.Warnings), name+": it has 4 bytes behind the 300 entries that are committed") {
			t.Errorf("%s is not in %v", name, r.Warnings)
		}
	}
}

func TestStrayFilesAreWarnings(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	to := exported(t, dir)
	for _, c := range []struct {
		dir   string
		src   verify.Source
		stray []string
	}{
		{dir, verify.Dir(dir), []string{"notes.txt", "checkpoint.new", "entries/0.jsonl", "entries/000000000.jsonl.bak", "tiles/9", "tiles/00"}},
		{to, verify.Export(to), []string{"index.html", "checkpoint.new", "tile/0/0", "tile/0/001.p/045", "tile/entries/000.new", "tile/0/002", "tile/1/000.p/2"}},
	} {
		for _, name := range c.stray {
			put(t, c.dir, name, []byte("stray"))
		}
		if err := os.MkdirAll(filepath.Join(c.dir, "old", "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, c.dir, "old/file", nil)
		r, err := check(t, c.src, k, nil)
		if err != nil || len(r.Warnings) != len(c.stray)+1 {
			t.Fatalf("%+v, %v; want %d warnings", r, err, len(c.stray)+1)
		}
		for _, name := range append(c.stray, "old") {
			if !strings.Contains(fmt.Sprint(r.Warnings), name+": ") {
				t.Errorf("%s is not in %v", name, r.Warnings)
			}
		}
	}
}

func TestAPartialTileOfAnEarlierSizeHasToBeTrue(t *testing.T) {
	k := newKey(t)
	dir := written(t, k, plain(k), 300)
	to := exported(t, dir)
	write(t, dir, k, plain(k), 600)
	export(t, dir, to)
	for _, name := range []string{"tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"} {
		was := read(t, to, name)
		flip(t, to, name, 20)
		_, err := check(t, verify.Export(to), k, nil)
		refused(t, err, name, 0, "it was published for an earlier size, and differs from")
		put(t, to, name, was)
	}
	// The specification allows to take it away, and that of the current size too once
	// there is the full one.
	remove(t, to, "tile/0/001.p/44")
	if r, err := check(t, verify.Export(to), k, nil); err != nil || len(r.Warnings) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	more := written(t, k, plain(k), 1000)
	put(t, to, "tile/0/002", read(t, exported(t, more), "tile/0/002"))
	put(t, to, "tile/entries/002", read(t, exported(t, more), "tile/entries/002"))
	remove(t, to, "tile/0/002.p/88")
	remove(t, to, "tile/entries/002.p/88")
	if r, err := check(t, verify.Export(to), k, nil); err != nil || len(r.Warnings) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	flip(t, to, "tile/0/002", 40)
	_, err := check(t, verify.Export(to), k, nil)
	refused(t, err, "tile/0/002.p/88", 514, "its hash for the entry of sequence 514 was altered")
}

// A state of a size that no log can have does not keep the roots that were promised
// from being compared.
func TestAnImpossibleStateHidesNothing(t *testing.T) {
	k := newKey(t)
	good, forged := written(t, k, plain(k), 300), written(t, k, plain(k).without(17), 300)
	signed := read(t, good, layout.CheckpointFile)
	put(t, forged, layout.CheckpointFile, signed)
	for _, size := range []uint64{1<<64 - 65536, 1 << 63, 1 << 57} {
		slot, err := layout.EncodeSlot(layout.State{Size: size, Edge: make([]tlog.Hash, bits.OnesCount64(size))})
		if err != nil {
			t.Fatal(err)
		}
		put(t, forged, layout.StateFile, append(slot, slot...))
		for _, since := range [][]byte{nil, signed} {
			if _, err := check(t, verify.Dir(forged), k, since); err == nil {
				t.Errorf("a forged log with a state of %d entries is found true", size)
			}
		}
	}
}

// Every checkpoint that was remembered is held against the log.
func TestAllRememberedCheckpointsAreCompared(t *testing.T) {
	k := newKey(t)
	log, other := written(t, k, plain(k).without(117), 300), written(t, k, plain(k), 200)
	early := read(t, written(t, k, plain(k), 10), layout.CheckpointFile)
	o := verify.Options{Key: k.vkey, EvidenceDir: t.TempDir(), Since: [][]byte{early, read(t, other, layout.CheckpointFile)}}
	_, err := verify.Verify(t.Context(), verify.Dir(log), o)
	e := refused(t, err, layout.CheckpointFile, 0, "of the first 200 entries")
	kept, err := os.ReadFile(e.Evidence)
	if err != nil || !bytes.Contains(kept, o.Since[1]) || !bytes.Contains(kept, read(t, log, layout.CheckpointFile)) {
		t.Errorf("the evidence is %s (%v)", kept, err)
	}
}
