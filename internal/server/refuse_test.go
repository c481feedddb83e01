package server_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// exitVerification is the exit code for a stream that is not the one that was
// followed before.
const exitVerification = 4

// filled gives a stopped node with some history.
func filled(t *testing.T, tokens int) *node {
	t.Helper()
	n := newNode(t)
	n.start()
	c := n.client()
	for range tokens {
		if _, err := c.Generate(t.Context(), api.GenerateRequest{Name: "before the fault"}); err != nil {
			t.Fatal(err)
		}
	}
	n.stop()
	return n
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// mustRefuse starts the node, which has to end with the exit code of a failed
// verification and words for the operator, and has to leave the read model and
// the identity as they were.
func mustRefuse(t *testing.T, n *node, words ...string) {
	t.Helper()
	for range 2 { // the second start must not find the first's mess in order
		from := n.log.Len()
		n.launch()
		if code := n.end(); code != exitVerification {
			t.Fatalf("exit code %d, want %d", code, exitVerification)
		}
		said := n.log.String()[from:]
		for _, w := range append(words, "refuses to serve") {
			if !strings.Contains(said, w) {
				t.Errorf("the node does not say %q:\n%s", w, said)
			}
		}
		if strings.Contains(said, "new ledger was created") {
			t.Errorf("the node made a new ledger:\n%s", said)
		}
	}
}

func TestRefusesADeletedStream(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	if err := os.RemoveAll(filepath.Join(n.data, "stream")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, n, "stream is empty", "lost or replaced", "backup")
}

func TestRefusesADeletedStreamWithoutTheReadModelToo(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	for _, dir := range []string{"stream", "projections"} {
		if err := os.RemoveAll(filepath.Join(n.data, dir)); err != nil {
			t.Fatal(err)
		}
	}
	mustRefuse(t, n, "stream is empty")
}

// rolledBack gives a stopped node whose stream is an older copy.
func rolledBack(t *testing.T) *node {
	t.Helper()
	n := filled(t, 5)
	stream, older := filepath.Join(n.data, "stream"), filepath.Join(n.dir, "older")
	copyTree(t, stream, older)
	n.start()
	if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: "after the copy"}); err != nil {
		t.Fatal(err)
	}
	n.stop()
	copyTree(t, older, stream)
	return n
}

func TestRefusesAnOlderCopyOfTheStream(t *testing.T) {
	t.Parallel()
	mustRefuse(t, rolledBack(t), "rolled back")
}

func TestRefusesAnOlderCopyOfTheStreamWithoutTheReadModelToo(t *testing.T) {
	t.Parallel()
	n := rolledBack(t)
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, n, "rolled back")
}

// An older copy that went on elsewhere is longer than what was applied here, and
// yet not what was applied here.
func TestRefusesAStreamThatWentAnotherWay(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	copyTree(t, n.data, filepath.Join(n.dir, "fork"))
	for i, name := range []string{"here", "there", "there too", "and there"} {
		if i == 1 {
			copyTree(t, n.data, filepath.Join(n.dir, "here"))
			copyTree(t, filepath.Join(n.dir, "fork"), n.data)
		}
		n.start()
		if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		n.stop()
	}
	// The stream went on there; the read model is the one from here.
	copyTree(t, filepath.Join(n.dir, "here", "projections"), filepath.Join(n.data, "projections"))
	mustRefuse(t, n, "not the one that was applied here")
}

func TestRefusesTheStreamOfAnotherLedger(t *testing.T) {
	t.Parallel()
	n, other := filled(t, 5), filled(t, 9)
	copyTree(t, filepath.Join(other.data, "stream"), filepath.Join(n.data, "stream"))
	mustRefuse(t, n, "replaced or altered")
	// Without the read model the evidence beside it tells, without that the audit
	// log, and without that the identity.
	for _, lost := range []struct{ path, says string }{
		{"projections", "replaced or altered"}, {filepath.Join("keys", "evidence.json"), "not the one in the audit log"},
		{"audit", "belongs to ledger"},
	} {
		for _, path := range []string{"projections", lost.path} {
			if err := os.RemoveAll(filepath.Join(n.data, path)); err != nil {
				t.Fatal(err)
			}
		}
		mustRefuse(t, n, lost.says)
	}
}

func TestRefusesATrimmedStream(t *testing.T) {
	t.Parallel()
	for name, trim := range map[string]func(jetstream.StreamConfig) jetstream.StreamConfig{
		"to few":  func(c jetstream.StreamConfig) jetstream.StreamConfig { c.MaxMsgs = 3; return c },
		"by size": func(c jetstream.StreamConfig) jetstream.StreamConfig { c.MaxBytes = 2000; return c },
	} {
		t.Run(name, func(t *testing.T) {
			n := filled(t, 8)
			tampered(t, n, trim)
			mustRefuse(t, n, "trimmed")
		})
	}
}

// rawStream is the stream of a stopped node as whoever has its disk can reach it.
type rawStream struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	close  func()
}

// openStream opens the stream below data, and makes it if there is none.
func openStream(t *testing.T, data string) rawStream {
	t.Helper()
	s, err := natsserver.Start(natsserver.Config{StoreDir: filepath.Join(data, "stream"), Listen: natsserver.ListenOff})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	store, err := eventstore.Open(eventstore.Config{Conn: nc, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), eventstore.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return rawStream{js, stream, func() { store.Close(); nc.Close(); s.Shutdown() }}
}

// tampered changes the stream's limits behind the node's back, and puts them back:
// what is trimmed is trimmed.
func tampered(t *testing.T, n *node, change func(jetstream.StreamConfig) jetstream.StreamConfig) {
	t.Helper()
	s := openStream(t, n.data)
	defer s.close()
	before := s.stream.CachedInfo().Config
	for _, cfg := range []jetstream.StreamConfig{change(before), before} {
		if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
}

// A byte that flips in a block, together with an index that is gone (as after a
// crash), makes the broker roll back without a word, or lose a whole block.
func TestRefusesAFlippedByte(t *testing.T) {
	t.Parallel()
	n := filled(t, 40)
	clean := filepath.Join(n.dir, "clean")
	copyTree(t, n.data, clean)
	blocks := blockFiles(t, n.data)
	size := fileSize(t, blocks[len(blocks)-1])
	for _, at := range []int64{size / 10, size / 2, size - 40} {
		copyTree(t, clean, n.data)
		flip(t, blocks[len(blocks)-1], at)
		removeIndex(t, n.data)
		mustRefuseAndLeave(t, n)
	}
}

// mustRefuseAndLeave is mustRefuse of a node that has to leave the stream's store as it
// is as well: it may be the only copy.
func mustRefuseAndLeave(t *testing.T, n *node, words ...string) {
	t.Helper()
	stream := filepath.Join(n.data, "stream")
	before := contents(t, stream)
	mustRefuse(t, n, words...)
	if after := contents(t, stream); !maps.Equal(before, after) {
		t.Errorf("the refusal changed the store's files: %d before, %d after", len(before), len(after))
	}
	if left, _ := filepath.Glob(stream + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// contents gives the SHA-256 of each file below dir.
func contents(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files := make(map[string][32]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = sha256.Sum256(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A damaged block that the server has closed makes it leave out the whole stream, and
// would make it remove what is left of it.
func TestRefusesADamagedClosedBlockAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	n := filled(t, 3)
	n.start()
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, `{"sha256":"%064x","name":"%s"}`+"\n", i+1, strings.Repeat("n", 200))
	}
	if status, _, body := n.ask("POST", "/v1/tokens/import", n.token, lines.String()); status != 200 || bytes.Contains(body, []byte("failed")) {
		t.Fatalf("import: %d %.300s", status, body)
	}
	n.stop()
	blocks := blockFiles(t, n.data)
	if len(blocks) < 2 {
		t.Fatalf("there is no closed block: %v", blocks)
	}
	middle := fileSize(t, blocks[0]) / 2
	flip(t, blocks[0], middle)
	removeIndex(t, n.data)
	mustRefuseAndLeave(t, n, "cannot be read")
	flip(t, blocks[0], middle)
	n.start()
	if page, err := n.client().List(t.Context(), api.ListRequest{Limit: 1000}); err != nil || len(page.Tokens) != 1000 {
		t.Errorf("after the mend: %d tokens, %v", len(page.Tokens), err)
	}
}

func blockFiles(t *testing.T, data string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "stream", "jetstream", "*", "streams", eventstore.Stream, "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("block files: %v, %v", files, err)
	}
	slices.Sort(files)
	return files
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 0x10
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func removeIndex(t *testing.T, data string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "stream"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "index.db" {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is disposable may go: the read model is built anew.
func TestRebuildsADeletedReadModel(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	n.start()
	page, err := n.client().List(t.Context(), api.ListRequest{Name: "before the fault"})
	if err != nil || len(page.Tokens) != 5 {
		t.Fatalf("%d tokens after the rebuild (%v)", len(page.Tokens), err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	second := newNode(t)
	second.data = n.data
	second.launch()
	if code := second.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := second.log.String(); !strings.Contains(said, "in use by another tokenledger") {
		t.Errorf("it says:\n%s", said)
	}
	if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: "still here"}); err != nil {
		t.Error(err)
	}
}

func TestABusyPortIsRefusedAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	for _, args := range [][]string{
		{"--http", strings.TrimPrefix(n.url, "http://")},
		{"--nats-listen", strings.TrimPrefix(n.nats, "nats://")},
	} {
		second := newNode(t, args...)
		second.launch()
		if code := second.end(); code != 1 {
			t.Errorf("%v: exit code %d, want 1", args, code)
		}
		if said := second.log.String(); !strings.Contains(said, "another") || !strings.Contains(said, args[1]) {
			t.Errorf("%v: it says:\n%s", args, said)
		}
		if _, err := os.Stat(filepath.Join(second.dir, "root-token")); err == nil {
			t.Errorf("%v: a root token was handed over", args)
		}
	}
}

func TestADirectoryOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	n := filled(t, 1)
	path := filepath.Join(n.data, "keys", "identity.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(raw), `"format": 1`, `"format": 7`, 1)
	if newer == string(raw) {
		t.Fatalf("no format in %s", raw)
	}
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	n.launch()
	if code := n.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := n.log.String(); !strings.Contains(said, "newer version") || !strings.Contains(said, "format 7") {
		t.Errorf("it says:\n%s", said)
	}
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	file := filepath.Join(n.dir, "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n.data = filepath.Join(file, "data")
	n.launch()
	if code := n.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := n.log.String(); !strings.Contains(said, "data directory") {
		t.Errorf("it says:\n%s", said)
	}
}

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

// A stream that was altered in its middle, and is whole in every other way, has the
// same last event.
func TestRefusesAStreamThatWasAlteredInTheMiddle(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	was := openStream(t, n.data)
	var messages []*jetstream.RawStreamMsg
	for seq := uint64(1); ; seq++ {
		m, err := was.stream.GetMsg(t.Context(), seq)
		if err != nil {
			break
		}
		messages = append(messages, m)
	}
	was.close()
	if err := os.RemoveAll(filepath.Join(n.data, "stream")); err != nil {
		t.Fatal(err)
	}
	is := openStream(t, n.data)
	for i, m := range messages {
		if i == 3 {
			m.Data = bytes.Replace(m.Data, []byte("before the fault"), []byte("after the fault!"), 1)
		}
		if _, err := is.js.Publish(t.Context(), m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
	}
	is.close()
	mustRefuse(t, n, "the event at sequence", "not the one in the audit log", "doctor")
}

// TestRefusesAForeignEvent: somebody who reached the stream published on it.
func TestRefusesAForeignEvent(t *testing.T) {
	t.Parallel()
	for name, publish := range map[string]func(old *jetstream.RawStreamMsg) (subject string, data []byte){
		"no event": func(*jetstream.RawStreamMsg) (string, []byte) {
			return "ledger.default.revoked", []byte(`{"not":"ours"}`)
		},
		"on another tenant's subject": func(old *jetstream.RawStreamMsg) (string, []byte) {
			return "ledger.acme.generated", old.Data
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := filled(t, 5)
			s := openStream(t, n.data)
			info, err := s.stream.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			old, err := s.stream.GetMsg(t.Context(), 3)
			if err != nil {
				t.Fatal(err)
			}
			subject, data := publish(old)
			if _, err := s.js.Publish(t.Context(), subject, data); err != nil {
				t.Fatal(err)
			}
			s.close()
			mustRefuse(t, n, fmt.Sprintf("sequence %d", info.State.LastSeq+1))
		})
	}
}
