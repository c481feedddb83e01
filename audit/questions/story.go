package questions

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Bounds of a story.
const (
	maxBesides   = 100
	maxAddresses = 10_000
	maxAfterEnd  = 1000
	maxPerPlace  = 20 // sites, and user agents, of one address
)

// Story tells what the log has of one token: all of its changes up to a bound, and all of
// its uses unless they are hundreds of thousands (see [Story.Unread]). Who asks within a
// tenant is told of the events of that tenant. Errors: [ErrNotFound], also for a token of
// another tenant.
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
	t := teller{scope: scope, byIP: map[string]int{}}
	p := past{Token: tokens.Token{ID: id}}
	var d events.Decoder
	err = a.history(ctx, &d, id, seq, func(r events.Recorded) error {
		p.take(r)
		t.change(&p, r)
		return nil
	})
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
	t.Token, t.Seq = token, seq
	if err := a.presentations(ctx, &d, &t); err != nil {
		return Story{}, err
	}
	if err := a.besides(ctx, &t); err != nil {
		return Story{}, err
	}
	return t.Story, nil
}

// teller puts a story together.
type teller struct {
	Story
	scope Scope
	byIP  map[string]int // into Addresses
	maker ulid.ULID      // the token that the maker signed in with
}

// change takes in an event that may have changed the token, and is in p already.
func (t *teller) change(p *past, r events.Recorded) {
	if !t.scope.has(r.Event.Tenant) {
		return
	}
	if d, ok := r.Event.Data.(*events.TokenGenerated); ok && r.Seq == p.CreatedSeq {
		t.maker = d.Actor.TokenID
	}
	if len(t.Changes) == maxChanges {
		t.MoreChanges = true
		return
	}
	t.Changes = append(t.Changes, r)
}

// presentations takes in the uses and rejections of the token.
func (a *Asker) presentations(ctx context.Context, d *events.Decoder, t *teller) error {
	q := index.Query{
		Tenant: t.scope.Tenant, AllTenants: t.scope.AllTenants, Token: t.Token.ID, To: t.Seq,
		Kinds: []string{events.TypeTokenUsed.Kind(), events.TypeTokenRejected.Kind()},
	}
	p, err := a.uses(ctx, q, t.Token.RevokedAt)
	if err != nil {
		return err
	}
	err = a.read(ctx, d, p.sequences(), func(r events.Recorded) error {
		if q.Matches(&r) {
			t.presentation(&r)
		}
		return nil
	})
	t.Unread = p.unread()
	// What came after the end is not all there, if some was left out behind it.
	t.MoreAfterEnd = t.MoreAfterEnd || p.left[1].Events > 0
	return err
}

// presentation takes in an event if it is a use or a rejection.
func (t *teller) presentation(r *events.Recorded) {
	switch d := r.Event.Data.(type) {
	case *events.TokenUsed:
		t.Uses += d.Count
		t.presented(r, &d.Use, false)
	case *events.TokenRejected:
		t.Rejections += d.Count
		t.presented(r, &d.Use, true)
	}
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
func (a *Asker) besides(ctx context.Context, t *teller) error {
	if t.maker.IsZero() {
		return nil // the ledger made it of itself
	}
	q := index.Query{Tenant: t.scope.Tenant, AllTenants: t.scope.AllTenants, Actor: t.maker.String(), Kinds: changeKinds(), To: t.Seq}
	_, done, err := a.scan(ctx, q, 0, 2*maxBesides, func(r events.Recorded) (bool, error) {
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
