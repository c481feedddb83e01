package questions

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
)

// Bounds of a story.
const (
	maxBesides   = 100
	maxAddresses = 10_000
	maxAfterEnd  = 1000
	maxPerPlace  = 20 // sites, and user agents, of one address
)

// Story tells all that the log has of one token. Who asks within a tenant is told of
// the events of that tenant. Errors: [ErrNotFound], also for a token of another tenant.
func (a *Asker) Story(ctx context.Context, scope Scope, id ulid.ULID) (Story, error) {
	if err := scope.check(); err != nil {
		return Story{}, err
	}
	if id.IsZero() {
		return Story{}, &QueryError{"token", "is missing"}
	}
	seq, err := a.settle(ctx)
	if err == nil {
		err = a.readModel(ctx, seq)
	}
	if err != nil {
		return Story{}, err
	}
	// First what became of it: only with all of its revocations is its end known.
	var d events.Decoder
	p, err := a.fold(ctx, &d, id, seq)
	if err == nil {
		err = a.stillReadModel(seq)
	}
	if err != nil {
		return Story{}, err
	}
	token, found := p.at(moment{seq, a.Now()})
	if !found || !scope.has(token.Tenant) {
		return Story{}, ErrNotFound
	}
	t := teller{Story: Story{Token: token, Seq: seq}, byIP: map[string]int{}}
	q := index.Query{Tenant: scope.Tenant, AllTenants: scope.AllTenants, Token: id, To: seq}
	if _, _, err := a.scan(ctx, q, 0, chunk, 0, t.event); err != nil {
		return Story{}, err
	}
	if err := a.besides(ctx, scope, &t); err != nil {
		return Story{}, err
	}
	return t.Story, nil
}

// teller puts a story together.
type teller struct {
	Story
	byIP  map[string]int // into Addresses
	maker ulid.ULID      // the token that the maker signed in with
}

// event takes in an event about the token.
func (t *teller) event(r events.Recorded) (bool, error) {
	switch d := r.Event.Data.(type) {
	case *events.TokenUsed:
		t.Uses += d.Count
		t.presented(&r, &d.Use, false)
	case *events.TokenRejected:
		t.Rejections += d.Count
		t.presented(&r, &d.Use, true)
	case *events.AuditRead:
	default:
		if made, ok := d.(*events.TokenGenerated); ok && r.Seq == t.Token.CreatedSeq {
			t.maker = made.Actor.TokenID
		}
		if len(t.Changes) == maxChanges {
			t.MoreChanges = true
			break
		}
		t.Changes = append(t.Changes, r)
	}
	return true, nil
}

// presented takes in a use or a rejection.
func (t *teller) presented(r *events.Recorded, u *events.Use, rejected bool) {
	widen(&t.FirstSeen, &t.LastSeen, u)
	if end := t.Token.RevokedAt; !end.IsZero() && !u.LastAt.Before(end) {
		if len(t.AfterEnd) < maxAfterEnd {
			t.AfterEnd = append(t.AfterEnd, *r)
		} else {
			t.MoreAfterEnd = true
		}
	}
	i, known := t.byIP[u.IP]
	if !known {
		if len(t.Addresses) == maxAddresses {
			t.MoreAddresses = true
			return
		}
		i = len(t.Addresses)
		t.byIP[u.IP] = i
		t.Addresses = append(t.Addresses, Address{IP: u.IP, FirstSeq: r.Seq})
	}
	at := &t.Addresses[i]
	at.LastSeq = r.Seq
	widen(&at.First, &at.Last, u)
	if rejected {
		at.Rejections += u.Count
	} else {
		at.Uses += u.Count
	}
	at.Sites = addSome(at.Sites, u.Site)
	at.UserAgents = addSome(at.UserAgents, u.UserAgent)
}

func widen(first, last *time.Time, u *events.Use) {
	if first.IsZero() || u.FirstAt.Before(*first) {
		*first = u.FirstAt
	}
	if u.LastAt.After(*last) {
		*last = u.LastAt
	}
}

// addSome adds s unless it is there, or there are enough.
func addSome(all []string, s string) []string {
	if s == "" || len(all) == maxPerPlace {
		return all
	}
	for _, one := range all {
		if one == s {
			return all
		}
	}
	return append(all, s)
}

// besides finds what the token's maker did besides.
func (a *Asker) besides(ctx context.Context, scope Scope, t *teller) error {
	if t.maker.IsZero() {
		return nil // the ledger made it of itself
	}
	q := index.Query{Tenant: scope.Tenant, AllTenants: scope.AllTenants, Actor: t.maker.String(), Kinds: changeKinds(), To: t.Seq}
	_, done, err := a.scan(ctx, q, 0, 2*maxBesides, a.bounds.reads, func(r events.Recorded) (bool, error) {
		about := events.AboutOf(r.Event.Data)
		if about == nil || about.Actor.TokenID != t.maker || about.TokenID == t.Token.ID {
			return true, nil
		}
		if len(t.Besides) == maxBesides {
			return false, nil
		}
		t.Besides = append(t.Besides, r)
		return true, nil
	})
	t.MoreBesides = !done
	return err
}
