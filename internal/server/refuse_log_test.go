package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
	"github.com/tokenledger/tokenledger/internal/identity"
)

// inLog gives a file of the node's audit log.
func inLog(n *node, name ...string) string {
	return filepath.Join(append([]string{n.data, "audit"}, name...)...)
}

// edit replaces a text in a file, to the same length, and gives what undoes it.
func edit(t *testing.T, path, was, is string) (undo func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(was) != len(is) || !bytes.Contains(before, []byte(was)) {
		t.Fatalf("%s does not hold %q", path, was)
	}
	write := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.Replace(before, []byte(was), []byte(is), 1))
	return func() { write(before) }
}

// overwrite is edit in the place of the text alone, where a node writes to the file.
func overwrite(t *testing.T, path, was, is string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte(was))
	if at < 0 || len(was) != len(is) {
		t.Fatalf("%s does not hold %q", path, was)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(is), int64(at))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A node does not go on with a log that is not the one it wrote, and says where.
func TestRefusesADamagedAuditLog(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	segment := inLog(n, "entries", "000000000.jsonl")
	last := fileSize(t, segment) - 10
	for name, damage := range map[string]struct {
		do   func() (undo func())
		says string
	}{
		"the last entry": {func() func() {
			flip(t, segment, last)
			return func() { flip(t, segment, last) }
		}, "000000000.jsonl"},
		"a hash": {func() func() {
			flip(t, inLog(n, "tiles", "0"), 40)
			return func() { flip(t, inLog(n, "tiles", "0"), 40) }
		}, "tiles"},
		"the checkpoint": {func() func() {
			return edit(t, inLog(n, "checkpoint"), "tokenledger/", "tokenledgeR/")
		}, "checkpoint"},
		"no state": {func() func() {
			state := inLog(n, "state")
			if err := os.Rename(state, state+".away"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Rename(state+".away", state); err != nil {
					t.Fatal(err)
				}
			}
		}, "state"},
		"a shorter segment": {func() func() {
			whole, err := os.ReadFile(segment)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(segment, int64(len(whole)-100)); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.WriteFile(segment, whole, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, "000000000.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			undo := damage.do()
			before := contents(t, inLog(n))
			mustRefuse(t, n, damage.says)
			if after := contents(t, inLog(n)); len(after) != len(before) {
				t.Errorf("the refusal left %d files of %d", len(after), len(before))
			}
			undo()
			n.start()
			n.stop()
		})
	}
}

// A hash that is damaged between a stream and a log that agree is the tiles' fault.
func TestADamagedHashIsBlamedOnTheTiles(t *testing.T) {
	t.Parallel()
	n := filled(t, 1)
	s := openStream(t, n.data)
	small := make([]events.Event, 600)
	for i := range small {
		small[i] = archivetest.Event(i)
	}
	if _, err := s.store.Append(t.Context(), small...); err != nil {
		t.Fatal(err)
	}
	s.close()
	n.start()
	n.stop()
	flip(t, inLog(n, "tiles", "0"), 32*300+5)
	from := n.log.Len()
	mustRefuse(t, n, "tiles/0 has a hash for sequence 301", "audit verify", "backup")
	if said := n.log.String()[from:]; strings.Contains(said, "stream was altered") {
		t.Errorf("it blames the stream:\n%s", said)
	}
	flip(t, inLog(n, "tiles", "0"), 32*300+5)
	n.start()
}

// The read model is built from the log: what hinders that is no matter of the stream's.
func TestALogThatCannotBeReplayedIsNotBlamedOnTheStream(t *testing.T) {
	t.Parallel()
	n := filled(t, 3)
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	segment := inLog(n, "entries", "000000000.jsonl")
	if err := errors.Join(os.Rename(segment, segment+".away"), os.Mkdir(segment, 0o700)); err != nil {
		t.Fatal(err)
	}
	from := n.log.Len()
	mustRefuse(t, n, "entries/000000000.jsonl is no plain file", "audit verify")
	if said := n.log.String()[from:]; strings.Contains(said, "NATS server") {
		t.Errorf("it blames the NATS server:\n%s", said)
	}
	if err := errors.Join(os.Remove(segment), os.Rename(segment+".away", segment)); err != nil {
		t.Fatal(err)
	}
	n.start()
}

// A log that was rewritten behind its newest checkpoint agrees with itself. The node
// refuses it, and does not sign it on its way out.
func TestALogThatWasRewrittenBehindItsCheckpointIsNotSigned(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	signed, err := os.ReadFile(inLog(n, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	was, err := audit.OpenReader(inLog(n))
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.Open(filepath.Join(n.data, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := id.Signer()
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := id.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	// What a hand with the disk and without the key can make: the entries, one of them
	// altered, all that follows from them, and the first checkpoint there was.
	forged := filepath.Join(n.dir, "forged")
	l, err := audit.Open(audit.Config{Dir: forged, Signer: signer, Verifier: verifier, SignLater: true})
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= was.Size(); seq++ {
		r, err := was.Event(seq)
		if err != nil {
			t.Fatal(err)
		}
		if seq == 4 {
			r.Raw = bytes.Replace(r.Raw, []byte("before the fault"), []byte("after the fault!"), 1)
		}
		if err := l.Append([]events.Recorded{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Close(), was.Close()); err != nil {
		t.Fatal(err)
	}
	copyTree(t, forged, inLog(n))
	mustRefuse(t, n, "sequence 4", "not the one in the audit log")
	after, err := os.ReadFile(inLog(n, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if cp, err := audit.OpenCheckpoint(after, verifier); err != nil || cp.N != 0 || bytes.Equal(after, signed) {
		t.Errorf("the node has signed what it refuses: %s (%v)", after, err)
	}
}

// An entry that is altered on the disk of a running node, to the same length, is given
// by no question, no proof, no tile and no export.
func TestAnAlteredEntryIsGivenByNobody(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	victim, _ := generate(t, c, api.GenerateRequest{Name: "victim"})
	if _, err := c.Revoke(t.Context(), victim.ID, api.RevokeRequest{ReasonCode: "leaked", Reason: "stolen by mallory"}); err != nil {
		t.Fatal(err)
	}
	n.must(200, "GET", "/v1/audit/checkpoint", n.token, "")
	overwrite(t, inLog(n, "entries", "000000000.jsonl"), "stolen by mallory", "routine cleanup..")
	seq := n.must(200, "GET", "/v1/tokens/"+victim.ID, n.token, "")
	at := decoded[api.Token](t, seq).Seq
	for _, ask := range [][3]string{
		{"GET", "/v1/audit/events?kind=revoked"},
		{"GET", fmt.Sprintf("/v1/audit/proofs/%d", at)},
		{"GET", fmt.Sprintf("/v1/audit/diff?from=2&to=%d", at)},
		{"GET", fmt.Sprintf("/v1/audit/as-of?seq=%d", at)},
		{"GET", fmt.Sprintf("/v1/audit/tile/entries/000.p/%d", at)},
		{"POST", "/v1/audit/trace", `{"token":"victim"}`},
	} {
		status, _, body := n.ask(ask[0], ask[1], n.token, ask[2])
		if status != 503 || !bytes.Contains(body, []byte(`"audit_log_damaged"`)) || bytes.Contains(body, []byte("routine")) {
			t.Errorf("%s: %d %s", ask[1], status, body)
		}
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"audit", "proof", fmt.Sprint(at), "--data", n.data}, {"audit", "export-tiles", filepath.Join(n.dir, "export"), "--data", n.data},
	} {
		out, err := exec.Command(path, args...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitVerification || !bytes.Contains(out, []byte(fmt.Sprintf("sequence %d", at))) {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}

// A hash that is altered on the disk of a running node goes into no root, no proof and no
// tile: what is made of it would agree with itself.
func TestAnAlteredHashIsGivenByNobody(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	for i := range 12 {
		generate(t, c, api.GenerateRequest{Name: fmt.Sprintf("token %d", i)})
	}
	n.must(200, "GET", "/v1/audit/checkpoint", n.token, "")
	n.must(200, "GET", "/v1/audit/tile/0/000.p/9", n.token, "")
	n.must(200, "GET", "/v1/audit/consistency?from=6&to=9", n.token, "")
	hashes, err := os.OpenFile(inLog(n, "tiles", "0"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = hashes.ReadAt(b[:], 32*5+5)
	if err == nil {
		b[0] ^= 1
		_, err = hashes.WriteAt(b[:], 32*5+5)
	}
	if err = errors.Join(err, hashes.Close()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"consistency?from=6&to=9", "consistency?from=6&to=6", "consistency?from=6", "consistency?from=3&to=7", "proofs/5", "tile/0/000.p/9", "tile/0/000.p/3",
	} {
		status, _, body := n.ask("GET", "/v1/audit/"+path, n.token, "")
		if status != 503 || !bytes.Contains(body, []byte(`"audit_log_damaged"`)) || !bytes.Contains(body, []byte("tiles/0")) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"audit", "consistency", "6", "9"}, {"audit", "verify", n.url, "--vkey", string(bytes.TrimSpace(n.must(200, "GET", "/v1/audit/key", n.token, "")))},
	} {
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), "TOKENLEDGER_URL="+n.url, "TOKENLEDGER_TOKEN="+n.token)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitVerification {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}
