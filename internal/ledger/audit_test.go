package ledger

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

func TestAsked(t *testing.T) {
	at := time.Date(2026, 3, 1, 13, 0, 0, 5e8, time.FixedZone("", 3600))
	for _, tc := range []struct {
		got  *asked
		want string
	}{
		{ask("events"), "events"},
		{ask("events").text("actor", "").text("kind", "revoked").time("since", at).time("until", time.Time{}), "events kind=revoked since=2026-03-01T12:00:00.5Z"},
		{ask("events").text("site", "a b").text("actor", `x="y"`), `events site="a b" actor="x=\"y\""`},
		{ask("events").text("site", "a\nquery=forged"), `events site="a\nquery=forged"`},
		{ask("diff").moment("from", "from", questions.Moment{Seq: 7}).moment("to", "to", questions.Moment{Time: at}), "diff from=7 to=2026-03-01T12:00:00.5Z"},
		{ask("events").scope(questions.Scope{AllTenants: true}, "default").proof(true), "events tenant=* proof=true"},
		{ask("events").scope(questions.Scope{Tenant: "default"}, "default").proof(false), "events"},
		{ask("events").scope(questions.Scope{Tenant: "acme"}, "default"), "events tenant=acme"},
		{askEntries(0, 255), "entries from=0 to=255 others_for=60s"},
		{ask("x").text("y", strings.Repeat("é", 200)).number("z", 3), "x y=" + strings.Repeat("é", 128) + "… z=3"},
	} {
		if got := tc.got.String(); got != tc.want {
			t.Errorf("%s, wanted %s", got, tc.want)
		}
	}
}

func TestAPageIsCutAtTheEndOfTheQuestion(t *testing.T) {
	for _, tc := range []struct {
		upto, next    uint64
		seqs          []uint64
		left          int
		nextNow, seqN uint64
	}{
		{0, 7, []uint64{5, 7}, 2, 7, 9},
		{9, 7, []uint64{5, 7}, 2, 7, 9},
		{8, 7, []uint64{5, 7}, 2, 7, 8},
		{7, 7, []uint64{5, 7}, 2, 0, 7},
		{6, 7, []uint64{5, 7}, 1, 0, 6},
		{4, 0, []uint64{5, 7}, 0, 0, 4},
		{6, 8, nil, 0, 0, 6},
	} {
		p := EventsPage{EventPage: questions.EventPage{Next: tc.next, Seq: 9}}
		for _, seq := range tc.seqs {
			p.Events = append(p.Events, events.Recorded{Seq: seq})
		}
		p.cut(tc.upto)
		if len(p.Events) != tc.left || p.Next != tc.nextNow || p.Seq != tc.seqN {
			t.Errorf("%+v: %d events, next %d, seq %d", tc, len(p.Events), p.Next, p.Seq)
		}
	}
}

func TestTheReadersThatAreRememberedAreBounded(t *testing.T) {
	var e entryReaders
	var first ulid.ULID
	r := e.of(first)
	if e.of(first) != r {
		t.Error("a reader is forgotten at once")
	}
	for i := range 3 * maxReaders {
		e.of(ulid.ULID{1, byte(i >> 8), byte(i)})
	}
	if len(e.byID) > maxReaders {
		t.Errorf("%d readers are remembered", len(e.byID))
	}
}

func TestOfAStoryWithTooManyEventsTheFirstAreProven(t *testing.T) {
	var s Story
	s.Changes = []events.Recorded{{Seq: 1}, {Seq: 2}, {Seq: 3}}
	s.AfterEnd = []events.Recorded{{Seq: 9}}
	s.Token.Seqs = []uint64{1, 2, 3, 4, 5}
	s.Addresses = []questions.Address{{FirstSeq: 6, LastSeq: 9}, {FirstSeq: 7, LastSeq: 7}}
	all := []uint64{1, 2, 3, 9, 4, 5, 6, 7}
	for most := 4; most < 10; most++ {
		got, more := s.sequences(most)
		if want := all[:min(most, len(all))]; !slices.Equal(got, want) || more != (most < len(all)) {
			t.Errorf("of %d: %d, more: %v", most, got, more)
		}
	}
}

// What to leave out of a question is another thing for each.
func TestWhatTookTooLongHasAHintOfItsOwn(t *testing.T) {
	err := auditError(context.DeadlineExceeded)
	hintTooLong(&err, "one site")
	if e, ok := errors.AsType[*commands.Error](err); !ok || e.Code != "question_too_long" || e.Hint != "one site" {
		t.Errorf("%+v", err)
	}
	err = noSuchEvent()
	hintTooLong(&err, "one site")
	if e, ok := errors.AsType[*commands.Error](err); !ok || e.Hint == "one site" {
		t.Errorf("%+v", err)
	}
	err = nil
	if hintTooLong(&err, "one site"); err != nil {
		t.Errorf("%+v", err)
	}
}
