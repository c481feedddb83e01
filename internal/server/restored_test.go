package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
	"github.com/tokenledger/tokenledger/internal/backup"
	"github.com/tokenledger/tokenledger/internal/doctor"
)

// lostNode gives a stopped node whose token was revoked after its backup was made, with
// the backup and the newest checkpoint.
func lostNode(t *testing.T, args ...string) (n *node, backupDir string, since []byte, revoked string) {
	t.Helper()
	n = newNode(t, args...)
	n.start()
	tok, secret := generate(t, n.client(), api.GenerateRequest{Name: "stolen"})
	n.stop()
	backupDir = t.TempDir()
	if _, err := backup.Make(t.Context(), backup.Options{Data: n.data, Dir: backupDir}); err != nil {
		t.Fatal(err)
	}
	n.start()
	if _, err := n.client().Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	n.stop()
	since, err := os.ReadFile(filepath.Join(n.data, "audit", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return n, backupDir, since, secret
}

// restoredNode gives a node on what is restored, for the caller that old has.
func restoredNode(t *testing.T, old *node, o backup.RestoreOptions) *node {
	t.Helper()
	n := newNode(t, old.args...)
	n.token, o.Data = old.token, n.data
	if _, err := backup.Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return n
}

func reason(t *testing.T, n *node, token string) string {
	t.Helper()
	v, err := n.client().Validate(t.Context(), api.ValidateRequest{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return v.Reason
}

// A restore never brings a revoked token back to life silently.
func TestARestoredNodeDoesNotServeWhatItKnowsToBeOld(t *testing.T) {
	t.Parallel()
	old, dir, since, revoked := lostNode(t)
	n := restoredNode(t, old, backup.RestoreOptions{Dir: dir, Since: since})
	mustRefuse(t, n, "restored from a backup of", "revocations among them", "--accept-loss")

	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{Dir: dir, Data: n.data, AcceptLoss: true}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n.start()
		if r := reason(t, n, revoked); r != "" {
			t.Errorf("the token is refused as %s", r)
		}
		if said := n.log.String(); !strings.Contains(said, "level=WARN msg=\"this directory was restored") || !strings.Contains(said, "was accepted") {
			t.Errorf("it does not warn: %s", said)
		}
		n.stop()
		n.log.Reset()
	}
	if err := os.Remove(filepath.Join(n.data, "keys", "restored.json")); err != nil {
		t.Fatal(err)
	}
	n.start()
	if said := n.log.String(); strings.Contains(said, "restored") {
		t.Errorf("it warns still: %s", said)
	}
}

// With a stream that has what the backup has not, nothing is lost.
func TestARestoredNodeReplaysPastTheNewestCheckpoint(t *testing.T) {
	t.Parallel()
	x := newExternal(t)
	old, dir, since, revoked := lostNode(t, "--nats-url", x.url())
	n := restoredNode(t, old, backup.RestoreOptions{Dir: dir, Since: since, NATSURL: x.url(), Replicas: 1})
	n.start()
	if r := reason(t, n, revoked); r != "revoked" {
		t.Errorf("the token is %q", r)
	}
	if said := n.log.String(); strings.Contains(said, "level=WARN") {
		t.Errorf("it warns: %s", said)
	}
}

// A stream that was made anew from the log is, to the node, the one that it was.
func TestANodeServesFromARestoredStream(t *testing.T) {
	t.Parallel()
	n := filled(t, 20)
	before := archivetest.Files(t, filepath.Join(n.data, "audit"))
	if err := os.RemoveAll(filepath.Join(n.data, "stream")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, n, "stream is empty", "doctor")
	report, err := doctor.Examine(t.Context(), doctor.Config{Data: n.data, RestoreStream: true})
	if err != nil || !report.Healthy || report.Restored == nil {
		t.Fatalf("%v %+v", err, report)
	}
	if after := archivetest.Files(t, filepath.Join(n.data, "audit")); after["entries/000000000.jsonl"] != before["entries/000000000.jsonl"] {
		t.Error("the log was changed")
	}
	size := report.Log.Size
	n.start()
	list, err := n.client().List(t.Context(), api.ListRequest{})
	if err != nil || len(list.Tokens) != 21 {
		t.Errorf("%d tokens, %v", len(list.Tokens), err)
	}
	if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: "after it"}); err != nil {
		t.Error(err)
	}
	n.stop()
	// So it is to a node that has nothing but the stream.
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(n.data, "audit"), filepath.Join(n.dir, "audit-before")); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.stop()
	report, err = doctor.Examine(t.Context(), doctor.Config{Data: n.data})
	if err != nil || !report.Healthy || report.Log.Size <= size {
		t.Fatalf("%v %+v", err, report)
	}
	was, err := os.ReadFile(filepath.Join(n.dir, "audit-before", "entries", "000000000.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	is, err := os.ReadFile(filepath.Join(n.data, "audit", "entries", "000000000.jsonl"))
	if err != nil || !strings.HasPrefix(string(is), string(was)) {
		t.Errorf("the log that was made anew has other leaves: %v", err)
	}
}
