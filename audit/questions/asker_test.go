package questions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

var acme = questions.Scope{Tenant: "acme"}

func TestBadQuestionsAreRefused(t *testing.T) {
	w := testWorld(t, settings{})
	w.tell("acme", generated(2, "", ""))
	ctx := t.Context()
	now := questions.Moment{Seq: 1}
	for name, c := range map[string]struct {
		field string
		ask   func() error
	}{
		"no tenant": {"tenant", func() error { _, err := w.Events(ctx, questions.EventQuery{}); return err }},
		"two scopes": {"tenant", func() error {
			_, err := w.Story(ctx, questions.Scope{Tenant: "acme", AllTenants: true}, id(2))
			return err
		}},
		"limit": {"limit", func() error { _, err := w.Events(ctx, questions.EventQuery{Scope: acme, Limit: 1001}); return err }},
		"times": {"until", func() error {
			_, err := w.Events(ctx, questions.EventQuery{Scope: acme, Since: at(2), Until: at(2)})
			return err
		}},
		"no moment": {"at", func() error { _, err := w.AsOf(ctx, questions.AsOfQuery{Scope: acme}); return err }},
		"ahead": {"at", func() error {
			_, err := w.AsOf(ctx, questions.AsOfQuery{Scope: acme, At: questions.Moment{Seq: 2}})
			return err
		}},
		"status": {"status", func() error {
			_, err := w.Count(ctx, questions.AsOfQuery{Scope: acme, At: now, Status: "asleep"})
			return err
		}},
		"no from":     {"from", func() error { _, err := w.Diff(ctx, questions.DiffQuery{Scope: acme, To: now}); return err }},
		"no to":       {"to", func() error { _, err := w.Diff(ctx, questions.DiffQuery{Scope: acme, From: now}); return err }},
		"no token":    {"token", func() error { _, err := w.Story(ctx, acme, ulid.ULID{}); return err }},
		"negative":    {"limit", func() error { _, err := w.Diff(ctx, questions.DiffQuery{Scope: acme, Limit: -1}); return err }},
		"no tenant 2": {"tenant", func() error { _, err := w.AsOf(ctx, questions.AsOfQuery{At: now}); return err }},
		"backward diff": {"to", func() error {
			_, err := w.Diff(ctx, questions.DiffQuery{Scope: acme, From: questions.Moment{Time: at(5)}, To: questions.Moment{Time: at(4)}})
			return err
		}},
	} {
		var qe *questions.QueryError
		if err := c.ask(); !errors.As(err, &qe) || qe.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCursorsOfAnotherQuestionAreRefused(t *testing.T) {
	w := testWorld(t, settings{})
	w.tell("acme", generated(2, "", ""), generated(4, "", ""), generated(6, "", ""))
	as := questions.AsOfQuery{Scope: acme, At: questions.Moment{Seq: 3}, Limit: 1}
	df := questions.DiffQuery{Scope: acme, From: questions.Moment{Time: at(0)}, To: questions.Moment{Seq: 3}, Limit: 1}
	a, err := w.AsOf(t.Context(), as)
	if err != nil || a.Next == "" {
		t.Fatalf("%+v, %v", a, err)
	}
	d, err := w.Diff(t.Context(), df)
	if err != nil || d.Next == "" {
		t.Fatalf("%+v, %v", d, err)
	}
	refused := func(what string, err error) {
		t.Helper()
		var ce *questions.CursorError
		if !errors.As(err, &ce) {
			t.Errorf("%s: %v", what, err)
		}
	}
	askAs := func(q questions.AsOfQuery, cursor string) error {
		q.Cursor = cursor
		_, err := w.AsOf(t.Context(), q)
		return err
	}
	askDiff := func(q questions.DiffQuery, cursor string) error {
		q.Cursor = cursor
		_, err := w.Diff(t.Context(), q)
		return err
	}
	if err := errors.Join(askAs(as, a.Next), askDiff(df, d.Next)); err != nil {
		t.Error(err)
	}
	refused("a diff's for as of", askAs(as, d.Next))
	refused("as of's for a diff", askDiff(df, a.Next))
	for i := range a.Next {
		refused("a cursor cut short", askAs(as, "A"+a.Next[:i]))
	}
	other := as
	other.Tenant = "acme-2"
	refused("another tenant's", askAs(other, a.Next))
	other = as
	other.Owner = "x"
	refused("another filter's", askAs(other, a.Next))
	other = as
	other.At.Seq = 2
	refused("another moment's", askAs(other, a.Next))
	otherDiff := df
	otherDiff.AllTenants, otherDiff.Tenant = true, ""
	refused("another scope's", askDiff(otherDiff, d.Next))
}

// A page goes on at the moment that the first one was of.
func TestPagesAreOfOneMoment(t *testing.T) {
	w := testWorld(t, settings{})
	w.tell("acme", generated(2, "", "a"), generated(4, "", "a"))
	q := questions.AsOfQuery{Scope: acme, At: questions.Moment{Time: at(5000)}, Limit: 1}
	page, err := w.AsOf(t.Context(), q)
	if err != nil || page.Seq != 2 || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	w.tell("acme", revoked(4, at(3)), generated(6, "", ""))
	q.Cursor = page.Next
	page, err = w.AsOf(t.Context(), q)
	if err != nil || page.Seq != 2 || len(page.Tokens) != 1 || page.Tokens[0].Status != tokens.StatusActive || page.Next != "" {
		t.Fatalf("%+v, %v", page, err)
	}
}

// A token that had another owner then is found by it, and not by the one of today.
func TestAsOfGoesByTheLabelsOfThen(t *testing.T) {
	w := testWorld(t, settings{})
	now := "now"
	w.tell("acme", generated(2, "", "then"), &events.TokenUpdated{About: about(2), Owner: &now})
	for owner, want := range map[string]int{"then": 1, "now": 0} {
		page, err := w.AsOf(t.Context(), questions.AsOfQuery{Scope: acme, At: questions.Moment{Seq: 1}, Owner: owner})
		if err != nil || len(page.Tokens) != want {
			t.Errorf("%s: %+v, %v", owner, page, err)
		}
	}
}

// Nothing tells whether another tenant has what is asked for.
func TestTenantsAreKeptApart(t *testing.T) {
	w := testWorld(t, settings{block: 4})
	for n := range 10 {
		tenant := tenants[n%2]
		w.tell(tenant, generated(n+1, "shop", "team"), used(n+1, "203.0.113.7", at(n), uint64(n+1)), revoked(n+1, at(n)))
	}
	for i, tenant := range tenants {
		scope, theirs := questions.Scope{Tenant: tenant}, id(2-i)
		for _, q := range []questions.EventQuery{{Site: "shop"}, {IP: "203.0.113.7"}, {Kind: "used"}, {Actor: "admin"}, {Since: at(-9)}, {}} {
			q.Scope = scope
			page, err := w.Events(t.Context(), q)
			if err != nil || len(page.Events) == 0 {
				t.Errorf("%+v: %+v, %v", q, page, err)
			}
			for _, r := range page.Events {
				if r.Event.Tenant != tenant {
					t.Errorf("%+v gives an event of %s", q, r.Event.Tenant)
				}
			}
		}
		if page, err := w.Events(t.Context(), questions.EventQuery{Scope: scope, Token: theirs}); err != nil || len(page.Events) > 0 || page.Next != 0 {
			t.Errorf("another's token: %+v, %v", page, err)
		}
		_, err := w.Story(t.Context(), scope, theirs)
		_, none := w.Story(t.Context(), scope, id(77))
		if !errors.Is(err, questions.ErrNotFound) || err.Error() != none.Error() {
			t.Errorf("another's token: %v; none: %v", err, none)
		}
		story, err := w.Story(t.Context(), scope, id(i+1))
		if err != nil || len(story.Besides) != 8 {
			t.Errorf("%d besides, %v", len(story.Besides), err)
		}
		for _, r := range story.Besides {
			if r.Event.Tenant != tenant {
				t.Errorf("besides is an event of %s", r.Event.Tenant)
			}
		}
		as, err := w.AsOf(t.Context(), questions.AsOfQuery{Scope: scope, At: questions.Moment{Seq: 30}})
		if err != nil || len(as.Tokens) != 5 {
			t.Errorf("%+v, %v", as, err)
		}
	}
}

// liar is a log that is told to the index with other words in it.
type liar struct{ *audit.Log }

func (l liar) Leaves(first, last uint64, each func(uint64, []byte) error) error {
	return l.Log.Leaves(first, last, func(seq uint64, leaf []byte) error {
		leaf = bytes.ReplaceAll(leaf, []byte(`"tenant":"acme-2"`), []byte(`"tenant":"acme"`))
		return each(seq, bytes.ReplaceAll(leaf, []byte("honest"), []byte("forged")))
	})
}

func TestWhatTheLogContradictsIsPassedOver(t *testing.T) {
	for _, block := range []int{2, 100} {
		w := testWorld(t, settings{block: block, told: func(l *audit.Log) index.Log { return liar{l} }})
		w.tell("acme", generated(2, "honest", ""))
		w.tell("acme-2", generated(1, "forged", ""), used(2, "", at(1), 1))
		for _, q := range []questions.EventQuery{{Scope: acme, Site: "forged"}, {Scope: acme, Kind: "used"}} {
			if page, err := w.Events(t.Context(), q); err != nil || len(page.Events) != 0 {
				t.Errorf("%+v gives %+v, %v", q, page, err)
			}
		}
		if page, err := w.Events(t.Context(), questions.EventQuery{Scope: acme}); err != nil || len(page.Events) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
		if d, err := w.Diff(t.Context(), questions.DiffQuery{Scope: acme, From: questions.Moment{Time: at(-1)}, To: questions.Moment{Seq: 3}}); err != nil || len(d.Changes) != 1 {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

// Who asks right after a change sees it, beside others who change and ask.
func TestAQuestionTakesInWhatWasRecordedBefore(t *testing.T) {
	w := testWorld(t, settings{block: 8})
	w.tell("acme", generated(2, "s", "o"))
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx := context.Background()
				if s, err := w.Story(ctx, acme, id(2)); err != nil || s.Seq == 0 || s.Uses == 0 && s.Seq > 2 {
					t.Errorf("%+v, %v", s, err)
				}
				if _, err := w.AsOf(ctx, questions.AsOfQuery{Scope: acme, At: questions.Moment{Time: at(50)}}); err != nil {
					t.Error(err)
				}
				if _, err := w.Count(ctx, questions.AsOfQuery{Scope: acme, At: questions.Moment{Time: at(50)}}); err != nil {
					t.Error(err)
				}
				if _, err := w.Diff(ctx, questions.DiffQuery{Scope: acme, From: questions.Moment{Seq: 1}, To: questions.Moment{Time: at(90)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 60 {
		w.tell("acme", used(2, "203.0.113.7", at(n), uint64(n+1)), &events.TokenSuspended{About: about(2)}, &events.TokenResumed{About: about(2)})
		page, err := w.Events(t.Context(), questions.EventQuery{Scope: acme, Kind: "used", After: uint64(len(w.past) - 3)})
		if err != nil || len(page.Events) != 1 || page.Seq != uint64(len(w.past)) {
			t.Fatalf("after %d: %+v, %v", len(w.past), page, err)
		}
	}
	close(stop)
	all.Wait()
}

// The read model is built anew beside: no answer is short because of that.
func TestAQuestionWaitsForTheReadModel(t *testing.T) {
	w := testWorld(t, settings{})
	w.tell("acme", generated(2, "", ""))
	if err := w.runner.Rebuild(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	q := questions.AsOfQuery{Scope: acme, At: questions.Moment{Seq: 1}}
	var behind *questions.BehindError
	if _, err := w.AsOf(ctx, q); !errors.As(err, &behind) || behind.Want != 1 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := w.Story(ctx, acme, id(2)); !errors.As(err, &behind) {
		t.Errorf("%v", err)
	}
	if err := w.runner.Apply(w.past); err != nil {
		t.Fatal(err)
	}
	if page, err := w.AsOf(t.Context(), q); err != nil || len(page.Tokens) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// What has no bound in the log has one in a story.
func TestAStoryIsBounded(t *testing.T) {
	w := testWorld(t, settings{})
	var all []events.Data
	all = append(all, generated(2, "", ""), revoked(2, at(0)))
	for n := range 1200 {
		d := used(2, fmt.Sprintf("203.0.%d.%d", n/200, n%200), at(n), uint64(n+1))
		d.IP = fmt.Sprintf("10.%d.%d.1", n/200, n%200)
		if n%2 == 0 {
			d.IP = "10.0.0.1"
			d.UserAgent = fmt.Sprint("agent ", n)
		}
		all = append(all, d, &events.TokenUpdated{About: about(2), Name: &d.IP}, generated(100+n%100, "", ""))
	}
	w.tell("acme", all...)
	s, err := w.Story(t.Context(), acme, id(2))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Changes) != 1000 || !s.MoreChanges || len(s.Besides) != 100 || !s.MoreBesides || len(s.AfterEnd) != 1000 || !s.MoreAfterEnd {
		t.Errorf("%d, %v changes; %d, %v besides; %d, %v after the end", len(s.Changes), s.MoreChanges, len(s.Besides), s.MoreBesides, len(s.AfterEnd), s.MoreAfterEnd)
	}
	if s.Uses != 2400 || len(s.Addresses) != 601 || s.MoreAddresses || len(s.Addresses[0].UserAgents) != 20 || s.Addresses[0].Uses != 1200 {
		t.Errorf("%d uses, %d addresses: %+v", s.Uses, len(s.Addresses), s.Addresses[0])
	}
	d, err := w.Diff(t.Context(), questions.DiffQuery{Scope: acme, From: questions.Moment{Seq: 1}, To: questions.Moment{Seq: uint64(len(w.past))}})
	if err != nil || len(d.Changes[0].Events) != 1000 || !d.Changes[0].MoreEvents {
		t.Errorf("%v", err)
	}
}

// Of a token with more uses than can be read, the first and the last that presented it
// are told of, and who did so after its end; and where the others are.
func TestAStoryOfTooManyUsesSaysWhichWereNotRead(t *testing.T) {
	w := testWorld(t, settings{block: 8})
	ip := func(n int) string { return fmt.Sprintf("10.0.%d.%d", n/200, n%200) }
	var all []events.Data
	all = append(all, generated(2, "", ""))
	use := func(from, to int, make func(n int) events.Data) {
		for n := from; n < to; n++ {
			all = append(all, make(n), used(3, "", at(n), uint64(n)))
		}
	}
	// An event arrives a second; the token ends 100 seconds after it was revoked.
	use(1, 200, func(n int) events.Data { return used(2, ip(n), at(2*n), uint64(n)) })
	all = append(all, revoked(2, at(2*199+100)))
	use(200, 500, func(n int) events.Data { return rejected(2, ip(n), at(2*n+1), uint64(n)) })
	w.tell("acme", all...)
	w.LimitUses(40)
	s, err := w.Story(t.Context(), acme, id(2))
	if err != nil {
		t.Fatal(err)
	}
	seq := func(n int) uint64 { // of the n-th use
		if n < 200 {
			return uint64(2 * n)
		}
		return uint64(2*n + 1)
	}
	// The part of the end begins a minute before it, behind sequence 438.
	want := []questions.Unread{{From: seq(41), To: seq(218), Events: 178}, {From: seq(259), To: seq(459), Events: 201}}
	if d := cmp.Diff(want, s.Unread); d != "" {
		t.Error(d)
	}
	if !s.FirstSeen.Equal(at(1)) || !s.LastSeen.Equal(at(2*499+1)) || s.Uses != 2*40 || s.Rejections != 2*80 || len(s.Addresses) != 120 {
		t.Errorf("%d uses, %d rejections, %d addresses, from %v to %v", s.Uses, s.Rejections, len(s.Addresses), s.FirstSeen, s.LastSeen)
	}
	if len(s.Changes) != 2 || s.MoreChanges {
		t.Errorf("%d changes", len(s.Changes))
	}
	// The uses 249 to 258, and the newest.
	if len(s.AfterEnd) != 10+40 || s.AfterEnd[0].Seq != seq(249) || s.AfterEnd[49].Seq != seq(499) || !s.MoreAfterEnd {
		t.Errorf("%d after the end, more: %v", len(s.AfterEnd), s.MoreAfterEnd)
	}
	// What was left out is found by Events.
	for _, u := range s.Unread {
		found := uint64(0)
		for _, kind := range []string{"used", "rejected"} {
			page, err := w.Events(t.Context(), questions.EventQuery{Scope: acme, Token: id(2), Kind: kind, After: u.From - 1, Limit: 1000})
			if err != nil || page.Next != 0 {
				t.Fatal(page.Next, err)
			}
			for _, r := range page.Events {
				if r.Seq <= u.To {
					found++
				}
			}
		}
		if found != u.Events {
			t.Errorf("%+v: %d are found", u, found)
		}
	}
	w.LimitUses(167)
	if s, err = w.Story(t.Context(), acme, id(2)); err != nil || len(s.Unread) > 0 || s.MoreAfterEnd || s.Uses != 2*199 || s.Rejections != 2*300 {
		t.Errorf("%+v, %v", s.Unread, err)
	}
}
