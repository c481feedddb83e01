package index

import (
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// The dimensions that events are found by.
const (
	byActor = 'a' // an id, a name or a person's subject, as the event has it
	byIP    = 'i'
	byKind  = 'k'
	bySite  = 's'
	byToken = 't' // 16 bytes
)

// term is a value in a dimension.
type term struct {
	dim   byte
	value string
}

func tokenTerm(id ulid.ULID) term { return term{byToken, string(id[:])} }

// entry is what the index keeps of one event.
type entry struct {
	tenant   string
	received time.Time
	terms    []term // each once
}

// entryOf takes out what an event is found by, in memory from terms, which it gives
// back with what is left.
func entryOf(r *events.Recorded, terms []term) (entry, []term) {
	start := len(terms)
	add := func(dim byte, value string) {
		if value == "" {
			return
		}
		for _, t := range terms[start:] {
			if t.dim == dim && t.value == value {
				return
			}
		}
		terms = append(terms, term{dim, value})
	}
	token := func(id ulid.ULID) {
		if !id.IsZero() {
			add(byToken, string(id[:]))
		}
	}
	add(byKind, kindOf(r.Subject))
	about := events.AboutOf(r.Event.Data)
	if about == nil {
		// A type that this build does not know: the envelope names the token.
		if id, err := events.ParseID(r.Event.Subject); err == nil {
			token(id)
		}
	} else {
		token(about.TokenID)
		add(byActor, about.Actor.ID)
		add(byActor, about.Actor.Name)
		add(byActor, about.Actor.Subject())
		if id := about.Actor.TokenID; !id.IsZero() {
			add(byActor, id.String())
		}
		add(byIP, about.Origin.IP)
	}
	switch d := r.Event.Data.(type) {
	case *events.TokenGenerated:
		token(d.RotatedFrom)
		add(bySite, d.Site)
	case *events.TokenUsed:
		add(bySite, d.Site)
		add(byIP, d.IP)
	case *events.TokenRejected:
		add(bySite, d.Site)
		add(byIP, d.IP)
	}
	return entry{r.Event.Tenant, r.Received, terms[start:len(terms):len(terms)]}, terms
}

// kindOf is the last part of a subject.
func kindOf(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
