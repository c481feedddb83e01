package tokens

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/projections"
)

// Glance is the part of a record that tells whose a token is and when it is good. It
// costs a third of a [Token] to read. It is valid until the walk goes on.
type Glance struct {
	ID     ulid.ULID
	Tenant string
	Site   string
	Owner  string
	// The times are those of [Token].
	ExpiresAt time.Time
	NotBefore time.Time
	RevokedAt time.Time
	Suspended bool
	// CreatedSeq is the sequence of the generated event, Seq the last event that
	// changed the record.
	CreatedSeq, Seq uint64
	// AsGenerated says that up to [Region.Then] the token had no events but the
	// generated one, uses and questions, though it has been changed since: it was neither revoked
	// nor suspended, and its owner was the first one, which the record need not have
	// any more.
	AsGenerated bool

	scopes string // as the row has them
}

// Status is [Token.Status].
func (g *Glance) Status(now time.Time) Status {
	return statusAt(now, g.RevokedAt, g.ExpiresAt, g.NotBefore, g.Suspended)
}

// HasScope reports whether the token was given exactly this scope.
func (g *Glance) HasScope(scope string) bool {
	r := rowReader{s: g.scopes}
	for n := r.count(); n > 0; n-- {
		if r.string() == scope {
			return true
		}
	}
	return false
}

// decode reads a row. The strings are parts of it.
func (g *Glance) decode(id ulid.ULID, row string) error {
	r := rowReader{s: row}
	if v := r.byte(); v != rowVersion && !r.bad {
		return fmt.Errorf("%w: token row has version %d, this build reads %d", errRow, v, rowVersion)
	}
	f := r.uvarint()
	r.take(uint64(len(Token{}.Hash)))
	*g = Glance{ID: id, Tenant: r.string(), Suspended: f&hasSuspended != 0}
	r.string() // the name
	if f&hasSite != 0 {
		g.Site = r.string()
	}
	start := r.pos
	for n := r.count(); n > 0; n-- {
		r.string()
	}
	g.scopes = r.s[start:r.pos]
	if f&hasCIDRs != 0 {
		r.cidrs()
	}
	if f&hasExpires != 0 {
		g.ExpiresAt = r.time()
	}
	if f&hasNotBefore != 0 {
		g.NotBefore = r.time()
	}
	if f&hasRevoked != 0 {
		g.RevokedAt = r.time()
	}
	g.Seq = r.uvarint()
	g.CreatedSeq = r.uvarint()
	if f&hasOwner != 0 {
		r.time() // of creation
		g.Owner = r.string()
	}
	if r.bad {
		return fmt.Errorf("token %s: %w", id, r.end("token"))
	}
	return nil
}

// Region says which tokens to walk over. Only what never changes bounds it.
type Region struct {
	// Tenant is required, unless AllTenants is set.
	Tenant     string
	AllTenants bool
	// Site, if set, is the one that the tokens were generated for; it needs a Tenant.
	Site string
	// From and To bound the ids, both included. To may be zero: there is no bound.
	From, To ulid.ULID
	// Then, if it is not 0, is the sequence that [Glance.AsGenerated] is of.
	Then uint64
}

// index gives what begins the keys of the index that has the region's tokens; nil
// where the records themselves are it.
func (g *Region) index() []byte {
	switch {
	case g.AllTenants:
		return nil
	case g.Site != "":
		return partPrefix(nil, kindBySite, g.Tenant, g.Site)
	}
	return tenantPrefix(nil, kindByTenant, g.Tenant)
}

// Walk calls each with the tokens of a region, in the order of their ids, until it
// returns false or an error, which Walk gives back. What it sees is the rows of one
// moment. It is safe to walk over parts of a region at the same time.
func (r *Reader) Walk(g Region, each func(*Glance) (more bool, err error)) error {
	if err := g.check(); err != nil {
		return err
	}
	v, err := r.view()
	if err != nil {
		return err
	}
	w := walker{region: &g, each: each}
	if prefix := g.index(); prefix != nil {
		w.prefix = prefix
		if w.index, err = v.Iter(prefix, prefixEnd(prefix)); err != nil {
			return err
		}
	}
	// Opened after the index, so a token that is in the index is here too.
	w.records, err = v.Iter([]byte{kindToken}, []byte{kindToken + 1})
	if err == nil && g.Then != 0 {
		w.changes, err = v.Iter([]byte{kindChange}, []byte{kindChange + 1})
	}
	if err == nil {
		err = w.walk()
	}
	for _, it := range []*projections.Iter{w.index, w.records, w.changes} {
		if it != nil {
			err = errors.Join(err, it.Close())
		}
	}
	return err
}

func (g *Region) check() error {
	switch {
	case g.Tenant == "" && !g.AllTenants:
		return &QueryError{"tenant", "is missing"}
	case g.AllTenants && (g.Tenant != "" || g.Site != ""):
		return &QueryError{"tenant", "is given together with all tenants, or a site without one: choose one"}
	}
	return nil
}

// walker walks along the records. It looks into the index where the next record is not
// of the region: in a ledger of one tenant that is never.
type walker struct {
	region      *Region
	index       *projections.Iter // nil where the records are it
	records     *projections.Iter
	changes     *projections.Iter // nil where nobody asks
	prefix, key []byte
	glance      Glance
	each        func(*Glance) (bool, error)
}

func (w *walker) walk() error {
	at := w.region.From
	if w.region.Site != "" && !w.seekIndex(&at) {
		return nil
	}
	w.key = idKey(w.key[:0], kindToken, at)
	for ok := w.records.SeekGE(w.key); ok; {
		key := w.records.Key()
		if len(key) != 1+idSize {
			return fmt.Errorf("%w: a record has a key of %d bytes", errRow, len(key))
		}
		copy(at[:], key[1:])
		if !w.region.To.IsZero() && bytes.Compare(at[:], w.region.To[:]) > 0 {
			return nil
		}
		row, err := w.records.Value()
		if err != nil {
			return err
		}
		if err := w.glance.decode(at, string(row)); err != nil {
			return err
		}
		if w.region.has(&w.glance) {
			if w.glance.AsGenerated, err = w.asGenerated(); err != nil {
				return err
			}
			if more, err := w.each(&w.glance); err != nil || !more {
				return err
			}
			if w.region.Site == "" {
				ok = w.records.Next()
				continue
			}
		}
		// The next id, and no wrap: no ULID has all bits set.
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] != 0 {
				break
			}
		}
		if !w.seekIndex(&at) {
			return nil
		}
		w.key = idKey(w.key[:0], kindToken, at)
		ok = w.records.SeekGE(w.key)
	}
	return nil
}

// asGenerated gives [Glance.AsGenerated] of the token that the walk is at.
func (w *walker) asGenerated() (bool, error) {
	g, then := &w.glance, w.region.Then
	if w.changes == nil || g.Seq <= then || g.CreatedSeq > then {
		return false, nil
	}
	w.key = idKey(w.key[:0], kindChange, g.ID)
	if !w.changes.SeekGE(w.key) {
		return true, nil
	}
	key := w.changes.Key()
	if !bytes.HasPrefix(key, w.key) {
		return true, nil
	}
	if len(key) != len(w.key)+8 {
		return false, fmt.Errorf("%w: changes of token %s", errRow, g.ID)
	}
	return binary.BigEndian.Uint64(key[len(w.key):]) > then, nil
}

// seekIndex gives the first id at or behind one that is in the index.
func (w *walker) seekIndex(id *ulid.ULID) bool {
	w.key = append(append(w.key[:0], w.prefix...), id[:]...)
	if !w.index.SeekGE(w.key) {
		return false
	}
	copy(id[:], w.index.Key()[len(w.prefix):])
	return true
}

func (g *Region) has(t *Glance) bool {
	return g.AllTenants || t.Tenant == g.Tenant && (g.Site == "" || t.Site == g.Site)
}

// Bounds gives the first and the last id of a region's tokens, and false if it has
// none.
func (r *Reader) Bounds(g Region) (first, last ulid.ULID, found bool, err error) {
	if err := g.check(); err != nil {
		return first, last, false, err
	}
	v, err := r.view()
	if err != nil {
		return first, last, false, err
	}
	prefix := g.index()
	if prefix == nil {
		prefix = []byte{kindToken}
	}
	upper := prefixEnd(prefix)
	if !g.To.IsZero() {
		upper = append(append(append([]byte(nil), prefix...), g.To[:]...), 0)
	}
	it, err := v.Iter(append(append([]byte(nil), prefix...), g.From[:]...), upper)
	if err != nil {
		return first, last, false, err
	}
	if found = it.First(); found {
		copy(first[:], it.Key()[len(prefix):])
		it.Last()
		copy(last[:], it.Key()[len(prefix):])
	}
	return first, last, found, it.Close()
}
