package server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

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

// A read model is not built from an entry that was altered: the node would honour a
// token that nobody generated.
func TestAReadModelIsNotBuiltFromAnAlteredLog(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	undo := edit(t, inLog(n, "entries", "000000000.jsonl"), "before the fault", "after the fault!")
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, n, "000000000.jsonl", "has an entry for sequence 3 that is not the one")
	undo()
	n.start()
	page, err := n.client().List(t.Context(), api.ListRequest{})
	if err != nil || len(page.Tokens) != 6 {
		t.Errorf("after the mend: %d tokens, %v", len(page.Tokens), err)
	}
}

// The read model is built from the log alone as far as that goes.
func TestAReadModelIsRebuiltFromTheLogAndThenTheStream(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	older := filepath.Join(n.dir, "older")
	copyTree(t, inLog(n), older)
	n.start()
	if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: "behind the copy"}); err != nil {
		t.Fatal(err)
	}
	n.stop()
	// The log is an earlier one, as after a crash; the read model is gone.
	copyTree(t, older, inLog(n))
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	n.start()
	page, err := n.client().List(t.Context(), api.ListRequest{})
	if err != nil || len(page.Tokens) != 7 {
		t.Errorf("%d tokens, %v", len(page.Tokens), err)
	}
	n.stop()
	if fileSize(t, inLog(n, "offsets")) <= fileSize(t, filepath.Join(older, "offsets")) {
		t.Error("the log did not catch up with the stream")
	}
}
