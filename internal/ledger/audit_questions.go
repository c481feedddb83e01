package ledger

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// askWithin bounds a question, the wait for the index included. It is shorter than
// clients wait, so that they are told.
const askWithin = 25 * time.Second

// EventsQuery asks for events.
type EventsQuery struct {
	questions.EventQuery // its scope is the door's
	Tenant               string
	// Upto leaves out what lies above it: 0 is no bound. With the Seq of the first
	// page, the pages of one question have an end: each is on record, and so makes an
	// event more.
	Upto  uint64
	Proof bool
}

// EventsPage answers an [EventsQuery].
type EventsPage struct {
	questions.EventPage
	Proofs Proofs
}

// AuditEvents gives events. The record of this very reading is not among them.
func (l *Ledger) AuditEvents(ctx context.Context, s auth.Session, q EventsQuery) (page EventsPage, err error) {
	defer hintTooLong(&err, "ask for less: a shorter time (since and until), one token or site, or a smaller limit")
	var own string
	if q.Scope, own, err = l.enterAudit(ctx, s, q.Tenant); err != nil {
		return page, err
	}
	if err := checkEvents(&q); err != nil {
		return page, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if page.EventPage, err = l.Questions.Events(ctx, q.EventQuery); err != nil {
		return EventsPage{}, auditError(err)
	}
	page.cut(q.Upto)
	if q.Proof {
		if page.Proofs, err = l.prove(ctx, sequences(nil, page.Events)); err != nil {
			return EventsPage{}, err
		}
	}
	question := ask("events").text("actor", q.Actor).text("token", idText(q.Token)).text("site", q.Site).text("ip", q.IP).text("kind", q.Kind).
		time("since", q.Since).time("until", q.Until).scope(q.Scope, s.Tenant).number("after", q.After).number("limit", uint64(q.Limit)).proof(q.Proof)
	if err := l.recordReading(ctx, s, own, q.Token, question); err != nil {
		return EventsPage{}, err
	}
	return page, nil
}

// cut leaves out the events above a sequence.
func (p *EventsPage) cut(upto uint64) {
	if upto == 0 || upto >= p.Seq {
		return
	}
	p.Seq = upto
	for i := range p.Events {
		if p.Events[i].Seq > upto {
			p.Events, p.Next = p.Events[:i], 0
			break
		}
	}
	if p.Next >= upto {
		p.Next = 0
	}
}

func checkEvents(q *EventsQuery) error {
	// A mistyped kind must not look like one of which nothing ever happened.
	if kinds := events.Kinds(); q.Kind != "" && !slices.Contains(kinds, q.Kind) {
		return &commands.Error{Kind: commands.Invalid, Code: "filter_invalid", Detail: "kind is none that there is", Hint: "the kinds are " + strings.Join(kinds, " ")}
	}
	return withoutSecret(map[string]string{"actor": q.Actor, "site": q.Site})
}

// withoutSecret refuses a filter that holds a token: it would be in the asker's history,
// and matches nothing.
func withoutSecret(filters map[string]string) error {
	for field, value := range filters {
		if secret.Within(value) {
			return &commands.Error{Kind: commands.Invalid, Code: "filter_invalid", Detail: field + " holds a token", Hint: "give the token's id; a leaked token belongs into the body of POST /v1/audit/trace, as secret"}
		}
	}
	return nil
}

// sequences appends those of events.
func sequences(seqs []uint64, evs []events.Recorded) []uint64 {
	for i := range evs {
		seqs = append(seqs, evs[i].Seq)
	}
	return seqs
}

func idText(id ulid.ULID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// AsOfQuery asks which tokens there were.
type AsOfQuery struct {
	questions.AsOfQuery // its scope is the door's
	Tenant              string
	Proof               bool
}

// AsOfPage answers an [AsOfQuery]. Its proofs are of the sequences of its tokens.
type AsOfPage struct {
	questions.AsOf
	Proofs Proofs
}

// AsOf gives the tokens that there were at a moment.
func (l *Ledger) AsOf(ctx context.Context, s auth.Session, q AsOfQuery) (page AsOfPage, err error) {
	defer hintTooLong(&err, "ask for less: one site, or a smaller limit")
	var own string
	if q.Scope, own, err = l.enterAudit(ctx, s, q.Tenant); err != nil {
		return page, err
	}
	if err := q.withoutSecret(); err != nil {
		return page, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if page.AsOf, err = l.Questions.AsOf(ctx, q.AsOfQuery); err != nil {
		return AsOfPage{}, auditError(err)
	}
	if q.Proof {
		var seqs []uint64
		for i := range page.Tokens {
			seqs = append(seqs, page.Tokens[i].Seqs...)
		}
		if page.Proofs, err = l.prove(ctx, seqs); err != nil {
			return AsOfPage{}, err
		}
	}
	question := q.asked("as-of").scope(q.Scope, s.Tenant).text("cursor", q.Cursor).number("limit", uint64(q.Limit)).proof(q.Proof)
	if err := l.recordReading(ctx, s, own, ulid.ULID{}, question); err != nil {
		return AsOfPage{}, err
	}
	return page, nil
}

func (q *AsOfQuery) withoutSecret() error {
	return withoutSecret(map[string]string{"site": q.Site, "owner": q.Owner, "scope": q.TokenScope, "status": string(q.Status)})
}

func (q *AsOfQuery) asked(verb string) *asked {
	return ask(verb).moment("time", "seq", q.At).text("site", q.Site).text("owner", q.Owner).text("scope", q.TokenScope).text("status", string(q.Status))
}

// CountAsOf gives how many tokens AsOf would give, on all its pages.
func (l *Ledger) CountAsOf(ctx context.Context, s auth.Session, q AsOfQuery) (count questions.AsOfCount, err error) {
	defer hintTooLong(&err, "count the tokens of one tenant or site; or page through them without count")
	var own string
	if q.Scope, own, err = l.enterAudit(ctx, s, q.Tenant); err != nil {
		return count, err
	}
	if err := q.withoutSecret(); err != nil {
		return count, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if count, err = l.Questions.Count(ctx, q.AsOfQuery); err != nil {
		return questions.AsOfCount{}, auditError(err)
	}
	if err := l.recordReading(ctx, s, own, ulid.ULID{}, q.asked("count-as-of").scope(q.Scope, s.Tenant)); err != nil {
		return questions.AsOfCount{}, err
	}
	return count, nil
}

// DiffQuery asks what became of tokens.
type DiffQuery struct {
	questions.DiffQuery // its scope is the door's
	Tenant              string
	Proof               bool
}

// DiffPage answers a [DiffQuery]. Its proofs are of the events of its changes.
type DiffPage struct {
	questions.Diff
	Proofs Proofs
}

// Diff gives what became of tokens between two moments.
func (l *Ledger) Diff(ctx context.Context, s auth.Session, q DiffQuery) (page DiffPage, err error) {
	defer hintTooLong(&err, "ask for less: moments that lie nearer to each other, or a smaller limit")
	var own string
	if q.Scope, own, err = l.enterAudit(ctx, s, q.Tenant); err != nil {
		return page, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if page.Diff, err = l.Questions.Diff(ctx, q.DiffQuery); err != nil {
		return DiffPage{}, auditError(err)
	}
	if q.Proof {
		var seqs []uint64
		for i := range page.Changes {
			seqs = sequences(seqs, page.Changes[i].Events)
		}
		if page.Proofs, err = l.prove(ctx, seqs); err != nil {
			return DiffPage{}, err
		}
	}
	question := ask("diff").moment("from", "from", q.From).moment("to", "to", q.To).
		scope(q.Scope, s.Tenant).text("cursor", q.Cursor).number("limit", uint64(q.Limit)).proof(q.Proof)
	if err := l.recordReading(ctx, s, own, ulid.ULID{}, question); err != nil {
		return DiffPage{}, err
	}
	return page, nil
}
