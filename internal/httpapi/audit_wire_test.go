package httpapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/ledger"
)

// A cut story says so, and its cursors are those of the events of the stretch.
func TestACutStoryOnTheWire(t *testing.T) {
	story := ledger.Story{Proofs: ledger.Proofs{1: "p1", 2: "p2", 5: "p5"}, MoreProofs: true}
	story.Unread = []questions.Unread{{From: 1, To: 9, Events: 4}, {From: 20, To: 30, Events: 11}}
	story.Token.Seqs = []uint64{1, 2, 4, 5}
	story.Changes = []events.Recorded{{Seq: 5}}
	story.Addresses = []questions.Address{{FirstSeq: 4, LastSeq: 5}, {FirstSeq: 1, LastSeq: 2}}
	got := traceOf(&story)
	want := []api.TraceUnread{{From: 1, To: 9, Events: 4, Cursor: "0.9"}, {From: 20, To: 30, Events: 11, Cursor: "19.30"}}
	if d := cmp.Diff(want, got.Unread); d != "" || !got.MoreUses || !got.MoreProofs {
		t.Errorf("%+v: %s", got, d)
	}
	for _, u := range got.Unread {
		if after, upto, err := eventsPosition(u.Cursor); err != nil || after != u.From-1 || upto != u.To {
			t.Errorf("%+v is from behind %d to %d, %v", u, after, upto, err)
		}
	}
	if d := cmp.Diff([]string{"p1", "p2"}, got.Token.Proofs); d != "" || got.Changes[0].Proof != "p5" || got.Addresses[0].Proofs != nil || len(got.Addresses[1].Proofs) != 2 {
		t.Errorf("%+v: %s", got, d)
	}
	if whole := traceOf(&ledger.Story{}); whole.MoreUses || whole.MoreProofs || whole.Unread != nil {
		t.Errorf("%+v", whole)
	}
}
