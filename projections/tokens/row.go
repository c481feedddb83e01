package tokens

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// rowVersion begins every record row. A change to the encoding takes a new one, and
// a new [Version] of the projection.
const rowVersion = 2

// What a record has is said by flags; what it lacks takes no bytes.
const (
	hasExpires = 1 << iota
	hasNotBefore
	hasRevoked
	hasSuspended
	hasImported
	hasCIDRs
	hasSite
	hasOwner
	hasCreatedBy
	hasRevokedBy
	hasRotatedFrom
	hasRotatedTo
	hasMetadata
	hasPerson
)

func (t *Token) flags() (f uint64) {
	for _, has := range [...]struct {
		flag uint64
		is   bool
	}{
		{hasExpires, !t.ExpiresAt.IsZero()},
		{hasNotBefore, !t.NotBefore.IsZero()},
		{hasRevoked, !t.RevokedAt.IsZero()},
		{hasSuspended, t.Suspended},
		{hasImported, t.Imported},
		{hasCIDRs, len(t.AllowedCIDRs) > 0},
		{hasSite, t.Site != ""},
		{hasOwner, t.Owner != ""},
		{hasCreatedBy, !t.CreatedBy.IsZero()},
		{hasRevokedBy, !t.RevokedBy.IsZero()},
		{hasRotatedFrom, !t.RotatedFrom.IsZero()},
		{hasRotatedTo, !t.RotatedTo.IsZero()},
		{hasMetadata, len(t.Metadata) > 0},
		{hasPerson, !t.Person.IsZero()},
	} {
		if has.is {
			f |= has.flag
		}
	}
	return f
}

// appendToken appends the record's row: first the head, which is all that
// validation needs and what the cache keeps, then the rest. head is the length of
// the former. The id is in the key.
func appendToken(b []byte, t *Token) (row []byte, head int) {
	f := t.flags()
	start := len(b)
	b = append(b, rowVersion)
	b = appendUvarint(b, f)
	b = append(b, t.Hash[:]...)
	b = appendString(b, t.Tenant)
	b = appendString(b, t.Name)
	if f&hasSite != 0 {
		b = appendString(b, t.Site)
	}
	b = appendUvarint(b, uint64(len(t.Scopes)))
	for _, s := range t.Scopes {
		b = appendString(b, s)
	}
	if f&hasCIDRs != 0 {
		b = appendCIDRs(b, t.AllowedCIDRs)
	}
	if f&hasExpires != 0 {
		b = appendTime(b, t.ExpiresAt)
	}
	if f&hasNotBefore != 0 {
		b = appendTime(b, t.NotBefore)
	}
	if f&hasRevoked != 0 {
		b = appendTime(b, t.RevokedAt)
	}
	head = len(b) - start
	return appendRest(b, t, f), head
}

func appendRest(b []byte, t *Token, f uint64) []byte {
	b = appendUvarint(b, t.Seq)
	b = appendUvarint(b, t.CreatedSeq)
	b = appendTime(b, t.CreatedAt)
	if f&hasOwner != 0 {
		b = appendString(b, t.Owner)
	}
	for _, id := range [...]struct {
		flag uint64
		id   *ulid.ULID
	}{{hasCreatedBy, &t.CreatedBy}, {hasRevokedBy, &t.RevokedBy}, {hasRotatedFrom, &t.RotatedFrom}, {hasRotatedTo, &t.RotatedTo}} {
		if f&id.flag != 0 {
			b = append(b, id.id[:]...)
		}
	}
	if f&hasRevoked != 0 {
		b = appendString(b, string(t.ReasonCode))
		b = appendString(b, t.RevokeReason)
	}
	if f&hasSuspended != 0 {
		b = appendTime(b, t.SuspendedAt)
		b = appendString(b, t.SuspendReason)
	}
	if f&hasMetadata != 0 {
		b = appendUvarint(b, uint64(len(t.Metadata)))
		for _, k := range slices.Sorted(maps.Keys(t.Metadata)) {
			b = appendString(appendString(b, k), t.Metadata[k])
		}
	}
	if f&hasPerson != 0 {
		b = appendString(appendString(appendString(b, t.Person.Issuer), t.Person.Subject), t.Person.Name)
	}
	return b
}

// decodeCredential reads the head of a row, and says how long it is.
func decodeCredential(id ulid.ULID, row string) (c Credential, head int, err error) {
	r := rowReader{s: row}
	c.ID = id
	if _, err := r.head(&c); err != nil {
		return Credential{}, 0, err
	}
	return c, r.pos, nil
}

func (r *rowReader) head(c *Credential) (flags uint64, err error) {
	if v := r.byte(); v != rowVersion && !r.bad {
		return 0, fmt.Errorf("%w: token row has version %d, this build reads %d", errRow, v, rowVersion)
	}
	f := r.uvarint()
	copy(c.Hash[:], r.take(uint64(len(c.Hash))))
	c.Tenant = r.string()
	c.Name = r.string()
	if f&hasSite != 0 {
		c.Site = r.string()
	}
	c.Scopes = r.strings()
	if f&hasCIDRs != 0 {
		c.AllowedCIDRs = r.cidrs()
	}
	if f&hasExpires != 0 {
		c.ExpiresAt = r.time()
	}
	if f&hasNotBefore != 0 {
		c.NotBefore = r.time()
	}
	if f&hasRevoked != 0 {
		c.RevokedAt = r.time()
	}
	c.Suspended = f&hasSuspended != 0
	c.Imported = f&hasImported != 0
	c.Person = f&hasPerson != 0
	if r.bad {
		return 0, r.end("token")
	}
	return f, nil
}

func decodeToken(id ulid.ULID, row string, t *Token) error {
	r := rowReader{s: row}
	var c Credential
	f, err := r.head(&c)
	if err != nil {
		return err
	}
	*t = Token{
		ID: id, Hash: c.Hash, Tenant: c.Tenant, Name: c.Name, Site: c.Site,
		Scopes: c.Scopes, AllowedCIDRs: c.AllowedCIDRs,
		ExpiresAt: c.ExpiresAt, NotBefore: c.NotBefore, RevokedAt: c.RevokedAt,
		Suspended: c.Suspended, Imported: c.Imported,
	}
	t.Seq = r.uvarint()
	t.CreatedSeq = r.uvarint()
	t.CreatedAt = r.time()
	if f&hasOwner != 0 {
		t.Owner = r.string()
	}
	for _, id := range [...]struct {
		flag uint64
		id   *ulid.ULID
	}{{hasCreatedBy, &t.CreatedBy}, {hasRevokedBy, &t.RevokedBy}, {hasRotatedFrom, &t.RotatedFrom}, {hasRotatedTo, &t.RotatedTo}} {
		if f&id.flag != 0 {
			*id.id = r.id()
		}
	}
	if f&hasRevoked != 0 {
		t.ReasonCode = events.ReasonCode(r.string())
		t.RevokeReason = r.string()
	}
	if f&hasSuspended != 0 {
		t.SuspendedAt = r.time()
		t.SuspendReason = r.string()
	}
	if f&hasMetadata != 0 {
		n := r.count()
		t.Metadata = make(map[string]string, n)
		for range n {
			k := r.string()
			t.Metadata[k] = r.string()
		}
	}
	if f&hasPerson != 0 {
		t.Person = events.Person{Issuer: r.string(), Subject: r.string(), Name: r.string()}
		// A session that does not say whose is damaged: it must not pass for nobody's.
		r.bad = r.bad || t.Person.IsZero()
	}
	if err := r.end("token"); err != nil {
		*t = Token{}
		return err
	}
	return nil
}

// A network is the number of bytes of its address, the address, and its bits. One
// that could not be parsed is the number 0 alone.
func appendCIDRs(b []byte, all []netip.Prefix) []byte {
	b = appendUvarint(b, uint64(len(all)))
	for _, p := range all {
		if !p.IsValid() {
			b = append(b, 0)
			continue
		}
		a := p.Addr().AsSlice()
		b = append(append(append(b, byte(len(a))), a...), byte(p.Bits()))
	}
	return b
}

func (r *rowReader) cidrs() []netip.Prefix {
	n := r.count()
	if n == 0 {
		// The token is restricted; a row that does not say to what is damaged.
		r.bad = true
		return nil
	}
	all := make([]netip.Prefix, n)
	for i := range all {
		size := r.byte()
		switch size {
		case 0:
			continue
		case 4, 16:
		default:
			r.bad = true
			return nil
		}
		var buf [16]byte
		copy(buf[:], r.take(uint64(size)))
		a := netip.AddrFrom16(buf)
		if size == 4 {
			a = netip.AddrFrom4([4]byte(buf[:4]))
		}
		all[i] = netip.PrefixFrom(a, int(r.byte()))
		if !all[i].IsValid() {
			r.bad = true
			return nil
		}
	}
	return all
}
