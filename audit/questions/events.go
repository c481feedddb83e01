package questions

import (
	"context"
	"net/netip"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
)

// Events gives the events that are asked for.
func (a *Asker) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	limit, err := limitOf(q.Limit)
	if err == nil {
		err = q.Scope.check()
	}
	if err == nil && !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		err = &QueryError{"until", "has to be later than since"}
	}
	if err != nil {
		return EventPage{}, err
	}
	seq, err := a.settle(ctx)
	if err != nil {
		return EventPage{}, err
	}
	page := EventPage{Seq: seq}
	if q.After >= seq {
		return page, nil
	}
	next, done, err := a.scan(ctx, q.index(seq), q.After, limit+1, func(r events.Recorded) (bool, error) {
		if len(page.Events) == limit {
			page.Next = page.Events[limit-1].Seq // there is one more
			return false, nil
		}
		page.Events = append(page.Events, r)
		return true, nil
	})
	if err != nil {
		return EventPage{}, err
	}
	if page.Next == 0 && !done {
		page.Next = next
	}
	return page, nil
}

// index is the question put to the index.
func (q *EventQuery) index(to uint64) index.Query {
	i := index.Query{
		Tenant: q.Tenant, AllTenants: q.AllTenants, Actor: q.Actor, Token: q.Token, Site: q.Site, IP: address(q.IP),
		Since: q.Since, Until: q.Until, To: to,
	}
	if q.Kind != "" {
		i.Kinds = []string{q.Kind}
	}
	return i
}

// address writes an address as the events have it.
func address(s string) string {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return s
}

// changeKinds are the kinds of the events by which tokens change. That a token has leaked
// is among them, whatever it led to: it changes what the token is worth.
func changeKinds() []string {
	return []string{
		events.TypeTokenGenerated.Kind(), events.TypeTokenRevoked.Kind(), events.TypeTokenUpdated.Kind(),
		events.TypeTokenSuspended.Kind(), events.TypeTokenResumed.Kind(),
		events.TypeTokenLeaked.Kind(),
	}
}

// changed gives the tokens that an event changes: the one that was replaced, if there is
// one, and the one that it is about.
func changed(r *events.Recorded) (ids [2]ulid.ULID, n int) {
	add := func(id ulid.ULID) {
		if !id.IsZero() && (n == 0 || ids[0] != id) {
			ids[n] = id
			n++
		}
	}
	switch d := r.Event.Data.(type) {
	case *events.TokenGenerated:
		add(d.RotatedFrom)
		add(d.TokenID)
	case *events.TokenRevoked, *events.TokenUpdated, *events.TokenSuspended, *events.TokenResumed, *events.TokenLeaked:
		add(events.AboutOf(d).TokenID)
	}
	return ids, n
}
