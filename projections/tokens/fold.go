package tokens

import (
	"net/netip"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// Fold brings one event into the record and reports whether that changed it. It is
// pure: the same events in the order of their sequences give the same record, on
// every node and from any start. So the record as of a sequence is the fold of the
// token's history ([Reader.History]) up to it over Token{ID: id}; while CreatedSeq
// is 0 there is no record. Over a Token without an ID, the first generated event
// says which token it is.
//
// What changes nothing: an event at or below Seq (it is in the record already), one
// about another token, any event before the generated one, a second generated
// event, reports of leaks, and uses. The generated event of another token that names this one as
// rotated_from sets RotatedTo.
func (t *Token) Fold(r events.Recorded) (changed bool) {
	if t.Seq != 0 && r.Seq <= t.Seq {
		return false
	}
	switch d := r.Event.Data.(type) {
	case *events.TokenGenerated:
		changed = t.generated(r, d)
	default:
		changed = t.CreatedSeq != 0 && t.changed(r)
	}
	if changed {
		t.Seq = r.Seq
	}
	return changed
}

// changed brings in an event other than the generated one.
func (t *Token) changed(r events.Recorded) (changed bool) {
	switch d := r.Event.Data.(type) {
	case *events.TokenRevoked:
		changed = d.TokenID == t.ID && t.revoked(d)
	case *events.TokenUpdated:
		changed = d.TokenID == t.ID && t.updated(d)
	case *events.TokenSuspended:
		changed = d.TokenID == t.ID && !t.Suspended
		if changed {
			t.Suspended, t.SuspendedAt, t.SuspendReason = true, r.Event.Time, d.Reason
		}
	case *events.TokenResumed:
		changed = d.TokenID == t.ID && t.Suspended
		if changed {
			t.Suspended, t.SuspendedAt, t.SuspendReason = false, time.Time{}, ""
		}
	}
	return changed
}

func (t *Token) generated(r events.Recorded, d *events.TokenGenerated) bool {
	if t.CreatedSeq != 0 {
		if d.TokenID == t.ID || d.RotatedFrom != t.ID || !t.RotatedTo.IsZero() {
			return false
		}
		t.RotatedTo = d.TokenID
		return true
	}
	if !t.ID.IsZero() && d.TokenID != t.ID {
		return false
	}
	*t = Token{
		ID: d.TokenID, Tenant: r.Event.Tenant, Name: d.Name, Site: d.Site, Owner: d.Owner,
		Scopes: d.Scopes, Hash: d.SHA256, Imported: d.Imported, Person: d.Person,
		CreatedAt: r.Event.Time, CreatedBy: d.Actor.TokenID, CreatedSeq: r.Seq,
		ExpiresAt: d.ExpiresAt, NotBefore: d.NotBefore, RotatedFrom: d.RotatedFrom,
		Metadata: d.Metadata, AllowedCIDRs: parseCIDRs(d.AllowedCIDRs),
	}
	return true
}

func (t *Token) revoked(d *events.TokenRevoked) bool {
	if !t.RevokedAt.IsZero() && !d.EffectiveAt.Before(t.RevokedAt) {
		return false
	}
	t.RevokedAt, t.RevokedBy = d.EffectiveAt, d.Actor.TokenID
	t.RevokeReason, t.ReasonCode = d.Reason, d.ReasonCode
	return true
}

func (t *Token) updated(d *events.TokenUpdated) (changed bool) {
	if d.Name != nil {
		changed, t.Name = true, *d.Name
	}
	if d.Owner != nil {
		changed, t.Owner = true, *d.Owner
	}
	if d.Metadata != nil {
		changed, t.Metadata = true, *d.Metadata
		if len(t.Metadata) == 0 {
			t.Metadata = nil
		}
	}
	return changed
}

// parseCIDRs reads networks, and single addresses as networks of one.
func parseCIDRs(all []string) []netip.Prefix {
	if len(all) == 0 {
		return nil
	}
	nets := make([]netip.Prefix, len(all))
	for i, s := range all {
		if strings.IndexByte(s, '/') >= 0 {
			nets[i], _ = netip.ParsePrefix(s)
		} else if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			nets[i] = netip.PrefixFrom(a, a.BitLen())
		}
	}
	return nets
}

// subject gives the token whose history an event belongs to.
func subject(e *events.Event) ulid.ULID {
	if about := events.AboutOf(e.Data); about != nil {
		return about.TokenID
	}
	// A type that this build does not know: the envelope names the token.
	id, err := events.ParseID(e.Subject)
	if err != nil {
		return ulid.ULID{}
	}
	return id
}
