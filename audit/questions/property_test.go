package questions_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Every answer is the one that the plainest reading of all events gives, whatever the
// index's blocks, the pages, and the order of the clocks.
func TestAnswersAreThoseOfAPlainReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, settings{block: rapid.IntRange(1, 16).Draw(t, "block")})
		defer w.close()
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			w.drawPast(t, 30)
			for range 3 {
				w.checkEvents(t)
				w.checkAsOf(t)
				w.checkDiff(t)
				w.checkStory(t)
			}
		}
	})
}

var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b ulid.ULID) bool { return a == b }),
	cmp.Comparer(func(a, b events.Digest) bool { return a == b }),
	cmp.Comparer(func(a, b events.Recorded) bool {
		return a.Seq == b.Seq && a.Received.Equal(b.Received) && a.Subject == b.Subject && bytes.Equal(a.Raw, b.Raw) && a.Event.ID == b.Event.ID
	}),
}

func (w *world) checkEvents(t *rapid.T) {
	q := questions.EventQuery{Scope: w.drawScope(t), Limit: rapid.IntRange(1, 4).Draw(t, "limit")}
	some := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	if some("by token") {
		q.Token = id(rapid.IntRange(1, 9).Draw(t, "which"))
	}
	if some("by ip") {
		q.IP = "203.0.113.a"
	}
	if some("by kind") {
		q.Kind = rapid.SampledFrom([]string{"used", "generated", "read"}).Draw(t, "kind")
	}
	if some("by actor") {
		q.Actor = rapid.SampledFrom([]string{"gateway", id(100).String()}).Draw(t, "actor")
	}
	if some("since") {
		q.Since = at(rapid.IntRange(-20, 60).Draw(t, "from"))
	}
	if some("until") {
		q.Until = at(rapid.IntRange(61, 200).Draw(t, "to"))
	}
	var want, got []events.Recorded
	for _, r := range w.past {
		a := events.AboutOf(r.Event.Data)
		var ip string
		var from = a.TokenID
		switch d := r.Event.Data.(type) {
		case *events.TokenUsed:
			ip = d.IP
		case *events.TokenRejected:
			ip = d.IP
		case *events.TokenGenerated:
			from = d.RotatedFrom
		}
		if in(q.Scope, r.Event.Tenant) && (q.Token.IsZero() || q.Token == a.TokenID || q.Token == from) && (q.IP == "" || ip == q.IP) &&
			(q.Kind == "" || r.Event.Data.Type().Kind() == q.Kind) && (q.Actor == "" || a.Actor.Name == q.Actor || a.Actor.ID == q.Actor) &&
			(q.Since.IsZero() || !r.Received.Before(q.Since)) && (q.Until.IsZero() || r.Received.Before(q.Until)) {
			want = append(want, r)
		}
	}
	for pages := 0; ; pages++ {
		page, err := w.Events(context.Background(), q)
		if err != nil || page.Seq != uint64(len(w.past)) || len(page.Events) > q.Limit || pages > len(w.past) {
			t.Fatalf("%+v: %+v, %v", q, page, err)
		}
		got = append(got, page.Events...)
		if page.Next == 0 {
			break
		}
		q.After = page.Next
	}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Fatalf("%+v: %s", q, d)
	}
}

func (w *world) checkAsOf(t *rapid.T) {
	q := questions.AsOfQuery{Scope: w.drawScope(t), At: w.drawMoment(t), Limit: rapid.IntRange(1, 3).Draw(t, "limit")}
	word := rapid.SampledFrom([]string{"", "", "a", "b"})
	q.Site, q.Owner = word.Draw(t, "site"), word.Draw(t, "owner")
	q.TokenScope = rapid.SampledFrom([]string{"", "", "y"}).Draw(t, "scope")
	q.Status = rapid.SampledFrom(append(tokens.Statuses(), "", "")).Draw(t, "status")
	seq, clock := w.find(q.At)
	var want, got []questions.AsOfToken
	count := questions.AsOfCount{Seq: seq, Time: clock, ByStatus: map[tokens.Status]uint64{}}
	for n := 1; n <= 8; n++ {
		tok, was := w.was(n, seq, clock)
		if was && in(q.Scope, tok.Tenant) && (q.Site == "" || tok.Site == q.Site) && (q.Owner == "" || tok.Owner == q.Owner) &&
			(q.TokenScope == "" || tok.HasScope(q.TokenScope)) && (q.Status == "" || tok.Status == q.Status) {
			want = append(want, tok)
			count.Tokens++
			count.ByStatus[tok.Status]++
		}
	}
	for {
		page, err := w.AsOf(context.Background(), q)
		if err != nil || page.Seq != seq || !page.Time.Equal(clock) {
			t.Fatalf("%+v: %+v, %v; want %d, %v", q, page, err, seq, clock)
		}
		got = append(got, page.Tokens...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Fatalf("%+v: %s", q, d)
	}
	counted, err := w.Count(context.Background(), q)
	if d := cmp.Diff(count, counted, same); err != nil || d != "" {
		t.Fatalf("%+v: %v, %s", q, err, d)
	}
}

func (w *world) checkDiff(t *rapid.T) {
	q := questions.DiffQuery{Scope: w.drawScope(t), From: w.drawMoment(t), To: w.drawMoment(t), Limit: rapid.IntRange(1, 3).Draw(t, "limit")}
	from, fromClock := w.find(q.From)
	to, toClock := w.find(q.To)
	if from > to || q.From.Seq == 0 && q.To.Seq == 0 && q.To.Time.Before(q.From.Time) {
		var qe *questions.QueryError
		if _, err := w.Diff(context.Background(), q); !errors.As(err, &qe) || qe.Field != "to" {
			t.Fatalf("from %d to %d: %v", from, to, err)
		}
		return
	}
	var want, got []questions.Change
	for n := 1; n <= 8; n++ {
		var c questions.Change
		after, is := w.was(n, to, toClock)
		if !is || !in(q.Scope, after.Tenant) {
			continue
		}
		c.After = after
		if before, was := w.was(n, from, fromClock); was {
			c.Before = &before
		}
		for _, r := range w.past[from:to] {
			if in(q.Scope, r.Event.Tenant) && changes(r, n) {
				c.Events = append(c.Events, r)
			}
		}
		if len(c.Events) > 0 {
			want = append(want, c)
		}
	}
	slices.SortFunc(want, func(a, b questions.Change) int {
		if a.Events[0].Seq != b.Events[0].Seq {
			return int(a.Events[0].Seq) - int(b.Events[0].Seq)
		}
		if a.Events[0].Event.Data.(*events.TokenGenerated).RotatedFrom == a.After.ID {
			return -1
		}
		return 1
	})
	for {
		page, err := w.Diff(context.Background(), q)
		if err != nil || page.From.Seq != from || page.To.Seq != to || !page.From.Time.Equal(fromClock) || !page.To.Time.Equal(toClock) || len(page.Changes) > q.Limit {
			t.Fatalf("%+v: %+v, %v", q, page, err)
		}
		got = append(got, page.Changes...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Fatalf("%+v, %d to %d: %s", q, from, to, d)
	}
}

// changes reports whether an event bears on the record of a token.
func changes(r events.Recorded, n int) bool {
	switch d := r.Event.Data.(type) {
	case *events.TokenUsed, *events.TokenRejected, *events.AuditRead:
		return false
	case *events.TokenGenerated:
		return d.TokenID == id(n) || d.RotatedFrom == id(n)
	default:
		return events.AboutOf(d).TokenID == id(n)
	}
}

func (w *world) checkStory(t *rapid.T) {
	n, scope := rapid.IntRange(1, 8).Draw(t, "token"), w.drawScope(t)
	w.now = at(rapid.IntRange(0, 200).Draw(t, "now"))
	part := rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "uses")
	w.LimitUses(part)
	got, err := w.Story(context.Background(), scope, id(n))
	tok, is := w.was(n, uint64(len(w.past)), w.now)
	if !is || !in(scope, tok.Tenant) {
		if !errors.Is(err, questions.ErrNotFound) {
			t.Fatalf("token %d of %+v: %v", n, scope, err)
		}
		return
	}
	want := questions.Story{Token: tok, Seq: uint64(len(w.past))}
	var unread map[uint64]bool
	unread, want.Unread, want.MoreAfterEnd = w.unread(scope, tok, part)
	for _, r := range w.past {
		if !in(scope, r.Event.Tenant) {
			continue
		}
		a := events.AboutOf(r.Event.Data)
		if changes(r, n) {
			want.Changes = append(want.Changes, r)
		}
		var u *events.Use
		used, rejected := uint64(0), uint64(0)
		switch d := r.Event.Data.(type) {
		case *events.TokenUsed:
			u, used = &d.Use, d.Count
		case *events.TokenRejected:
			u, rejected = &d.Use, d.Count
		case *events.AuditRead:
		default:
			// The first generated event that counts may have been another tenant's.
			if a.TokenID != id(n) && in(scope, w.past[tok.CreatedSeq-1].Event.Tenant) {
				want.Besides = append(want.Besides, r)
			}
		}
		if u == nil || u.TokenID != id(n) || unread[r.Seq] {
			continue
		}
		want.Uses += used
		want.Rejections += rejected
		if want.FirstSeen.IsZero() || u.FirstAt.Before(want.FirstSeen) {
			want.FirstSeen = u.FirstAt
		}
		want.LastSeen = later(want.LastSeen, u.LastAt)
		if !tok.RevokedAt.IsZero() && !u.LastAt.Before(tok.RevokedAt) {
			want.AfterEnd = append(want.AfterEnd, r)
		}
		i := slices.IndexFunc(want.Addresses, func(a questions.Address) bool { return a.IP == u.IP })
		if i < 0 {
			i = len(want.Addresses)
			want.Addresses = append(want.Addresses, questions.Address{
				IP: u.IP, First: u.FirstAt, FirstSeq: r.Seq, Sites: []string{"s"}, UserAgents: []string{"ua"},
			})
		}
		at := &want.Addresses[i]
		at.LastSeq = r.Seq
		at.Uses += used
		at.Rejections += rejected
		at.Last = later(at.Last, u.LastAt)
		if u.FirstAt.Before(at.First) {
			at.First = u.FirstAt
		}
	}
	if d := cmp.Diff(want, got, same); err != nil || d != "" {
		t.Fatalf("token %d of %+v: %v, %s", n, scope, err, d)
	}
}

// unread is the plainest notion of which uses a story leaves out, when it reads a part of
// the oldest, of those behind the end, and of the newest.
func (w *world) unread(scope questions.Scope, tok questions.AsOfToken, part int) (unread map[uint64]bool, stretches []questions.Unread, more bool) {
	end := uint64(len(w.past))
	if !tok.RevokedAt.IsZero() {
		end, _ = w.find(questions.Moment{Time: tok.RevokedAt.Add(-time.Minute)})
	}
	var left []uint64
	for _, r := range w.past {
		switch r.Event.Data.(type) {
		case *events.TokenUsed, *events.TokenRejected:
			if in(scope, r.Event.Tenant) && events.AboutOf(r.Event.Data).TokenID == tok.ID {
				left = append(left, r.Seq)
			}
		}
	}
	left = left[min(part, len(left)):]
	behind := slices.IndexFunc(left, func(seq uint64) bool { return seq > end })
	if behind < 0 {
		behind = len(left)
	}
	left = slices.Delete(left, behind, min(behind+part, len(left)))
	left = left[:max(0, len(left)-part)]
	unread = map[uint64]bool{}
	for i, seq := range left {
		unread[seq] = true
		if i == 0 || left[i-1] <= end && seq > end {
			stretches = append(stretches, questions.Unread{From: seq})
		}
		u := &stretches[len(stretches)-1]
		u.To = seq
		u.Events++
		more = more || seq > end
	}
	return unread, stretches, more
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
