package verify_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/audit/verify"
	"github.com/tokenledger/tokenledger/events"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		theLarge.remove()
		os.Exit(code)
	}))
}

// key is a log's key.
type key struct {
	note.Signer
	verifier note.Verifier
	vkey     string
}

func newKey(t testing.TB) key {
	t.Helper()
	signing, vkey, err := note.GenerateKey(rand.Reader, "tokenledger/test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(signing)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, verifier, vkey}
}

// began is when the first event of a test was received.
var began = time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)

// story is the events of a log, by sequence.
type story func(seq uint64) events.Event

// plain is a ledger's creation, and suspensions after it.
func plain(k key) story {
	return func(seq uint64) events.Event {
		var id ulid.ULID
		_ = id.SetTime(uint64(began.UnixMilli()) + seq)
		id[15] = 1
		e := events.Event{
			ID: id, Source: "/tokenledger/test", Time: began.Add(time.Duration(seq) * time.Millisecond).Truncate(time.Millisecond),
			Tenant: events.DefaultTenant,
		}
		actor := events.Actor{Type: "system", ID: "test", Name: "test"}
		if seq == 1 {
			e.Data = &events.LedgerCreated{About: events.About{Actor: actor}, LedgerID: id, LogOrigin: k.Name(), PublicKey: k.vkey}
			return e
		}
		e.Subject = id.String()
		e.Data = &events.TokenSuspended{About: events.About{TokenID: id, Actor: actor}, Reason: fmt.Sprintf("number %d", seq)}
		return e
	}
}

// swapped tells the events of two sequences in each other's place.
func (s story) swapped(a, b uint64) story {
	return func(seq uint64) events.Event {
		switch seq {
		case a:
			seq = b
		case b:
			seq = a
		}
		return s(seq)
	}
}

// without leaves an event out.
func (s story) without(gone uint64) story {
	return func(seq uint64) events.Event {
		if seq >= gone {
			seq++
		}
		return s(seq)
	}
}

// write appends a story's events up to a sequence to the log in dir, and signs it.
func write(t testing.TB, dir string, k key, s story, last uint64) {
	t.Helper()
	l, err := audit.Open(audit.Config{Dir: dir, Signer: k.Signer, Verifier: k.verifier})
	if err != nil {
		t.Fatal(err)
	}
	var batch []events.Recorded
	for seq := l.Size() + 1; seq <= last; seq++ {
		e := s(seq)
		raw, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, events.Recorded{Seq: seq, Received: began.Add(time.Duration(seq)), Subject: events.StreamSubject(e), Raw: raw, Event: e})
	}
	if err := errors.Join(l.Append(batch), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// written is a new log.
func written(t testing.TB, k key, s story, last uint64) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, k, s, last)
	return dir
}

// export exports the log in dir.
func export(t testing.TB, dir, to string) {
	t.Helper()
	r, err := audit.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := audit.ExportTiles(r, read(t, dir, layout.CheckpointFile), to, nil); err != nil {
		t.Fatal(err)
	}
}

func exported(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "export")
	export(t, dir, to)
	return to
}

// large is a log of two segments and some hashes on the third level of tiles, which
// tests share and must not change. It lives until the tests end.
type large struct {
	key         key
	dir, export string
}

const largeSize = 70_000

// shared makes it once.
type shared struct {
	once sync.Once
	log  large
}

func (s *shared) get(t testing.TB) large {
	t.Helper()
	s.once.Do(func() {
		base, err := os.MkdirTemp("", "verify-test-")
		if err != nil {
			t.Fatal(err)
		}
		s.log = large{newKey(t), filepath.Join(base, "audit"), filepath.Join(base, "export")}
		write(t, s.log.dir, s.log.key, plain(s.log.key), largeSize)
		export(t, s.log.dir, s.log.export)
	})
	return s.log
}

func (s *shared) remove() {
	if s.log.dir != "" {
		_ = os.RemoveAll(filepath.Dir(s.log.dir))
	}
}

// linked gives a directory with the same files. None of them may be written to; put
// and remove take the place of one.
func linked(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return os.Link(path, filepath.Join(to, rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

// flip turns a bit of a byte.
func flip(t testing.TB, dir, name string, at int) {
	t.Helper()
	b := read(t, dir, name)
	b[at] ^= 1 << (at % 8)
	put(t, dir, name, b)
}

// files gives the names of all files below dir, with slashes.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, relErr := filepath.Rel(dir, path)
			names, err = append(names, filepath.ToSlash(rel)), relErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func check(t testing.TB, src verify.Source, k key, since []byte) (*verify.Report, error) {
	t.Helper()
	o := verify.Options{Key: k.vkey}
	if since != nil {
		o.Since, o.EvidenceDir = [][]byte{since}, t.TempDir()
	}
	return verify.Verify(t.Context(), src, o)
}

// refused wants an Error that names the file, and the entry if seq is not 0, with a
// problem that has the words in it.
func refused(t testing.TB, err error, file string, seq uint64, words string) *verify.Error {
	t.Helper()
	e, ok := errors.AsType[*verify.Error](err)
	if !ok {
		t.Fatalf("%v; want an error of %s with %q", err, file, words)
	}
	if e.File != file || e.Seq != seq || !strings.Contains(e.Problem, words) || e.Hint == "" {
		t.Fatalf("%q names sequence %d, hint %q; want it of %s, sequence %d, with %q", e, e.Seq, e.Hint, file, seq, words)
	}
	return e
}
