package verify_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
)

// Of a small log, the bytes of every file are flipped, one after another: every eleventh,
// and with TOKENLEDGER_EVERY_BYTE (make chaos) every one. Of one with a second level of
// tiles, and of an export that was continued, so many that each file has its share.
func TestAnyFlippedByteIsNoticed(t *testing.T) {
	stride := 11
	if os.Getenv("TOKENLEDGER_EVERY_BYTE") != "" {
		stride = 1
	}
	k := newKey(t)
	dirs, exports := verify.Dir, verify.Export
	small := written(t, k, plain(k), 4)
	ahead := written(t, k, plain(k), 3)
	signed := read(t, ahead, layout.CheckpointFile)
	write(t, ahead, k, plain(k), 4)
	put(t, ahead, layout.CheckpointFile, signed)
	medium := written(t, k, plain(k), 300)
	continued := exported(t, medium)
	write(t, medium, k, plain(k), 600)
	export(t, medium, continued)
	for _, c := range []struct {
		name string
		dir  string
		open func(string) verify.Source
		step int // of the bytes of one file
	}{
		{"a small log", small, dirs, stride},
		{"a small log whose end is not signed", ahead, dirs, 3 * stride},
		{"an export of a small log", exported(t, small), exports, stride},
		{"a log", medium, dirs, 499 * stride},
		{"an export that was continued", continued, exports, 499 * stride},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			names := files(t, c.dir)
			if len(names) < 3 {
				t.Fatalf("only %v", names)
			}
			for _, name := range names {
				whole := read(t, c.dir, name)
				step := c.step
				if name == layout.StateFile {
					step = max(step, 17) // a damaged one is read again and again
				}
				if len(whole) < 10*step {
					step = 1 + len(whole)/10
				}
				for at := 0; at < len(whole); at += step {
					if whole[at] == 0 && name == layout.StateFile && at%9 > 0 {
						continue
					}
					set(t, c.dir, name, at, whole[at]^1<<(at%8))
					r, err := check(t, c.open(c.dir), k, nil)
					noticed(t, name, at, whole, r, err)
					if t.Failed() {
						return
					}
					set(t, c.dir, name, at, whole[at])
				}
			}
			if _, err := check(t, c.open(c.dir), k, nil); err != nil {
				t.Errorf("put back: %v", err)
			}
		})
	}
}

// set writes a byte of a file in place.
func set(t *testing.T, dir, name string, at int, b byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{b}, int64(at))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// noticed wants an error that names the file, and the entry if it is one's. Of the
// state it may be a warning: it has a slot more than is needed, and that may be torn.
func noticed(t *testing.T, name string, at int, whole []byte, r *verify.Report, err error) {
	t.Helper()
	e, ok := errors.AsType[*verify.Error](err)
	if !ok {
		if err == nil && name == layout.StateFile && len(r.Warnings) > 0 && r.Warnings[0].File == name {
			return
		}
		t.Errorf("byte %d of %s: %+v, %v", at, name, r, err)
		return
	}
	if name == layout.StateFile {
		return // what it counts is not there, or is not signed
	}
	if e.File != name {
		t.Errorf("byte %d of %s: the error names %q: %v", at, name, e.File, e)
	}
	if strings.HasPrefix(name, layout.EntriesDir+"/") {
		if seq := uint64(1 + bytes.Count(whole[:at], []byte{'\n'})); e.Seq != seq {
			t.Errorf("byte %d of %s is of sequence %d, and the error names %d: %v", at, name, seq, e.Seq, e)
		}
	}
}

// The same over the large log, for the places that a small one has not.
func TestAFlippedByteOfALargeLogIsNamed(t *testing.T) {
	l := theLarge.get(t)
	for _, c := range []struct {
		name  string
		at    int
		seq   uint64
		words string
	}{
		{layout.SegmentFile(0), 100, 1, "the entry of sequence 1 was altered"},
		{layout.SegmentFile(1), 100, 65_537, "the entry of sequence 65537 was altered"},
		{layout.OffsetsFile, 8*65_536 + 7, 65_537, "the entry of sequence 65537"},
		{layout.OffsetsFile, 8*69_999 + 7, 70_000, "the entry of sequence 70000"},
		{layout.TileFile(0), 32 * 1000, 1001, "its hash for the entry of sequence 1001 was altered"},
		{layout.TileFile(0), 32 * 69_999, 70_000, "its hash for the entry of sequence 70000 was altered"},
		{layout.TileFile(1), 32 * 256, 0, "its hash number 0 is not that of the entries of sequences 65537 to 65792"},
		{layout.TileFile(2), 5, 0, "its hash number 0 is not that of the entries of sequences 1 to 65536"},
	} {
		dir := linked(t, l.dir)
		flip(t, dir, c.name, c.at)
		_, err := check(t, verify.Dir(dir), l.key, nil)
		refused(t, err, c.name, c.seq, c.words)
	}
	for _, c := range []struct {
		name  string
		at    int
		seq   uint64
		words string
	}{
		{"tile/entries/000", 100, 1, "the entry of sequence 1 was altered"},
		{"tile/entries/273.p/112", 100, 69_889, "the entry of sequence 69889 was altered"},
		{"tile/entries/256", 0, 65_537, "the entry of sequence 65537"},
		{"tile/0/003", 32 * 232, 1001, "its hash for the entry of sequence 1001 was altered"},
		{"tile/0/273.p/112", 3, 69_889, "its hash for the entry of sequence 69889 was altered"},
		{"tile/1/000", 32, 0, "its hash number 1 is not that of the entries of sequences 257 to 512"},
		{"tile/1/001.p/17", 32, 0, "its hash number 1 is not that of the entries of sequences 65793 to 66048"},
		{"tile/2/000.p/1", 5, 0, "its hash number 0 is not that of the entries of sequences 1 to 65536"},
	} {
		dir := linked(t, l.export)
		flip(t, dir, filepath.FromSlash(c.name), c.at)
		_, err := check(t, verify.Export(dir), l.key, nil)
		refused(t, err, c.name, c.seq, c.words)
	}
}
