package tokens

import (
	"fmt"
	"sync/atomic"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// Name and Version of the projection. Version grows with every change to the rows
// or to what they mean.
const (
	Name    = "tokens"
	Version = 3
)

// DefaultCacheBytes holds what validation needs of about a million tokens.
const DefaultCacheBytes = 144 << 20

// Config of a projection.
type Config struct {
	// CacheBytes bounds the memory for what validation needs of tokens that were
	// read or changed lately. It is taken as it is needed, outside the
	// garbage collector's heap where the system allows. Zero is
	// [DefaultCacheBytes], less than zero is no cache.
	CacheBytes int
}

// Projection writes the rows. It is made to be given to [projections.Open]; who reads
// them asks for a [Reader].
type Projection struct {
	view  atomic.Pointer[projections.View] // set by Load
	cache *cache

	// What follows belongs to the goroutine that applies.
	reload  bool // a batch was discarded
	records records
	uses    uses
	out     output
	ledger  bool // the ledger's row exists, or is in the batch
	scratch Token
	key     []byte
	val     []byte
}

var (
	_ projections.Stateful = (*Projection)(nil)
	_ projections.Merging  = (*Projection)(nil)
)

// New gives a projection with nothing in it. It is for one [projections.Open]: closing
// the store gives back its memory.
func New(c Config) *Projection {
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	return &Projection{cache: newCache(c.CacheBytes), key: make([]byte, 0, 256), val: make([]byte, 0, 256)}
}

// Name implements [projections.Projection].
func (p *Projection) Name() string { return Name }

// Version implements [projections.Projection].
func (p *Projection) Version() uint32 { return Version }

// Load implements [projections.Stateful].
func (p *Projection) Load(v *projections.View) error {
	p.cache.clear()
	p.view.Store(v)
	return p.load(v)
}

func (p *Projection) load(v *projections.View) error {
	p.reload = false
	if err := p.records.load(v); err != nil {
		return err
	}
	_, found, err := v.Get([]byte{kindLedger}, nil)
	if err != nil {
		return err
	}
	p.ledger = found
	p.out.reset()
	it, err := v.Iter([]byte{kindJournal}, []byte{kindJournal + 1})
	if err != nil {
		return err
	}
	err = p.uses.load(it)
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	return err
}

// Apply implements [projections.Projection].
func (p *Projection) Apply(w *projections.Writer, r events.Recorded) error {
	if p.reload {
		if err := p.load(p.view.Load()); err != nil {
			return err
		}
	}
	id := subject(&r.Event)
	about, kind := !id.IsZero(), byte(kindChange)
	var err, unknown error
	switch d := r.Event.Data.(type) {
	case *events.TokenGenerated:
		about, err = p.generate(w, r, d)
	case *events.TokenRevoked, *events.TokenUpdated, *events.TokenSuspended, *events.TokenResumed:
		err = p.change(w, r, id)
	case *events.TokenUsed:
		if !p.uses.advance(&d.Use) {
			return nil
		}
		p.uses.count(&d.Use)
		kind = kindMention
	case *events.TokenRejected:
		if !p.uses.advance(&d.Use) {
			return nil
		}
		kind = kindMention
	case *events.LedgerCreated:
		p.createLedger(r, d)
	case *events.TokenLeaked:
		// What it led to is an event of its own, directly behind. It is among the
		// changes because a token's story is not told without it; there are few.
	case *events.AuditRead:
		kind = kindMention
	default:
		unknown = projections.ErrUnknownType
	}
	if err != nil {
		return err
	}
	if about {
		p.key = seqKey(p.key[:0], kind, id, r.Seq)
		p.out.set(p.key, nil)
	}
	if r.Event.Idempotency.Key != "" {
		p.key, p.val = appendIdempotent(p.key[:0], p.val[:0], &r, id)
		p.out.set(p.key, p.val)
	}
	return unknown
}

// generate makes a record. It reports whether the event needs a row of its own: the
// record says at which sequence it was made.
func (p *Projection) generate(w *projections.Writer, r events.Recorded, d *events.TokenGenerated) (row bool, err error) {
	_, known, err := p.records.row(w, d.TokenID)
	if err != nil || known {
		return true, err
	}
	t := &p.scratch
	*t = Token{}
	t.Fold(r)
	p.put(nil, t)
	if d.RotatedFrom.IsZero() || d.RotatedFrom == d.TokenID {
		return false, nil
	}
	p.key = seqKey(p.key[:0], kindChange, d.RotatedFrom, r.Seq)
	p.out.set(p.key, nil)
	return false, p.change(w, r, d.RotatedFrom)
}

// change folds an event into the record of a token that is known.
func (p *Projection) change(w *projections.Writer, r events.Recorded, id ulid.ULID) error {
	row, known, err := p.records.row(w, id)
	if err != nil || !known {
		return err
	}
	t := &p.scratch
	if err := decodeToken(id, string(row), t); err != nil {
		return fmt.Errorf("token %s: %w", id, err)
	}
	was := *t
	if t.Fold(r) {
		p.put(&was, t)
	}
	return nil
}

// put writes the record t and brings its index rows from was, nil for a new record,
// to what t says.
func (p *Projection) put(was, t *Token) {
	p.out.set(idKey(p.key[:0], kindToken, t.ID), p.records.put(t))
	if was == nil {
		p.index(tenantPrefix(p.key[:0], kindByTenant, t.Tenant), t.ID)
		if t.Site != "" {
			p.index(partPrefix(p.key[:0], kindBySite, t.Tenant, t.Site), t.ID)
		}
		if !t.ExpiresAt.IsZero() {
			p.key = expiryKey(p.key[:0], t.Tenant, t.ExpiresAt, t.ID)
			p.out.set(p.key, nil)
		}
		if t.Imported {
			p.key = hashKey(p.key[:0], t.Hash)
			p.out.set(p.key, t.ID[:])
		}
		if t.HasScope(ScopeRoot) {
			p.out.set(idKey(p.key[:0], kindRoot, t.ID), nil)
		}
		was = &Token{}
	}
	if was.Owner != t.Owner {
		if was.Owner != "" {
			p.key = append(partPrefix(p.key[:0], kindByOwner, t.Tenant, was.Owner), t.ID[:]...)
			p.out.delete(p.key)
		}
		if t.Owner != "" {
			p.index(partPrefix(p.key[:0], kindByOwner, t.Tenant, t.Owner), t.ID)
		}
	}
	if was.RevokedAt.IsZero() && !t.RevokedAt.IsZero() {
		p.index(tenantPrefix(p.key[:0], kindRevoked, t.Tenant), t.ID)
	}
	if was.Suspended != t.Suspended {
		p.key = append(tenantPrefix(p.key[:0], kindSuspended, t.Tenant), t.ID[:]...)
		if t.Suspended {
			p.out.set(p.key, nil)
		} else {
			p.out.delete(p.key)
		}
	}
}

func (p *Projection) index(prefix []byte, id ulid.ULID) {
	p.key = append(prefix, id[:]...)
	p.out.set(p.key, nil)
}

// Flush implements [projections.Stateful].
func (p *Projection) Flush(w *projections.Writer) error {
	if err := p.uses.flush(w, &p.out, p.key, p.val); err != nil {
		return err
	}
	p.out.flush(w)
	return nil
}

// Committed implements [projections.Stateful].
func (p *Projection) Committed() {
	p.records.committed(p.cache)
}

// Discarded implements [projections.Stateful].
func (p *Projection) Discarded() { p.reload = true }

// Closed implements [projections.Stateful].
func (p *Projection) Closed() { p.cache.close() }
