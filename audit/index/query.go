package index

import (
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// Query says which events to find. Zero fields do not filter; all that are set must
// hold.
type Query struct {
	// Tenant is the one whose events are found, unless AllTenants is set.
	Tenant     string
	AllTenants bool
	// Actor is the id, the name or the token id of who did it; of a person the bare
	// subject too.
	Actor string
	// Token is the one that the event is about, or that the generated one replaces.
	Token ulid.ULID
	// Site is that of a use or rejection, or of the token that was generated.
	Site string
	// IP is the origin of a change, or the address of a use.
	IP string
	// Kinds are last parts of subjects, of which one must hold.
	Kinds []string
	// Since and Until bound the time of arrival: Since <= received < Until.
	Since, Until time.Time
	// To is the last sequence that is of interest; 0 is the end.
	To uint64
}

// Matches reports whether an event is one that is asked for.
func (q *Query) Matches(r *events.Recorded) bool {
	if q.To != 0 && r.Seq > q.To {
		return false
	}
	var room [10]term
	e, _ := entryOf(r, room[:0])
	return q.matches(&e, q.terms())
}

func (q *Query) matches(e *entry, terms [][]term) bool {
	if !q.AllTenants && e.tenant != q.Tenant || !q.inTime(e.received) {
		return false
	}
	for _, oneOf := range terms {
		if !slices.ContainsFunc(oneOf, func(t term) bool { return slices.Contains(e.terms, t) }) {
			return false
		}
	}
	return true
}

func (q *Query) inTime(at time.Time) bool {
	return (q.Since.IsZero() || !at.Before(q.Since)) && (q.Until.IsZero() || at.Before(q.Until))
}

// terms are what the query filters by: of each list, one must hold.
func (q *Query) terms() (all [][]term) {
	if !q.Token.IsZero() {
		all = append(all, []term{tokenTerm(q.Token)})
	}
	for _, t := range []term{{byActor, q.Actor}, {byIP, q.IP}, {bySite, q.Site}} {
		if t.value != "" {
			all = append(all, []term{t})
		}
	}
	if len(q.Kinds) > 0 {
		kinds := make([]term, len(q.Kinds))
		for i, k := range q.Kinds {
			kinds[i] = term{byKind, k}
		}
		all = append(all, kinds)
	}
	return all
}
