package tokens

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// ErrNotOpen says that the projection was not given to [projections.Open] yet.
var ErrNotOpen = errors.New("the token projection is not open")

// Reader answers from the projection's rows. It is safe for concurrent use. When the
// store has failed, every method gives its [*projections.FatalError], and after its
// end [projections.ErrClosed]; nothing is answered from memory then.
type Reader struct {
	p    *Projection
	rows *sync.Pool // of *[]byte
	// maxScan bounds the rows that one List looks at.
	maxScan int
}

// Reader gives what reads the projection's rows.
func (p *Projection) Reader() *Reader {
	return &Reader{p: p, maxScan: maxScan, rows: &sync.Pool{New: func() any { return new([]byte) }}}
}

func (r *Reader) view() (*projections.View, error) {
	v := r.p.view.Load()
	if v == nil {
		return nil, ErrNotOpen
	}
	return v, nil
}

func (r *Reader) get(key []byte) (value []byte, found bool, err error) {
	v, err := r.view()
	if err != nil {
		return nil, false, err
	}
	return v.Get(key, nil)
}

// each calls use for the rows with lower <= key < upper, in order, until it returns
// false.
func (r *Reader) each(lower, upper []byte, use func(key, value []byte) (bool, error)) error {
	v, err := r.view()
	if err != nil {
		return err
	}
	it, err := v.Iter(lower, upper)
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		var value []byte
		if value, err = it.Value(); err != nil {
			break
		}
		var more bool
		if more, err = use(it.Key(), value); err != nil || !more {
			break
		}
	}
	return errors.Join(err, it.Close())
}

// row gives a token's row to use, which must not keep it.
func (r *Reader) row(id ulid.ULID, use func(row string) error) (found bool, err error) {
	v, err := r.view()
	if err != nil {
		return false, err
	}
	var key [1 + idSize]byte
	buf := r.rows.Get().(*[]byte)
	defer r.rows.Put(buf)
	*buf, found, err = v.Get(idKey(key[:0], kindToken, id), (*buf)[:0])
	if err != nil || !found {
		return false, err
	}
	if err := use(string(*buf)); err != nil {
		return false, fmt.Errorf("token %s: %w", id, err)
	}
	return true, nil
}

// Token gives the record of a token, and false for an id that is not known.
func (r *Reader) Token(id ulid.ULID) (t Token, found bool, err error) {
	found, err = r.row(id, func(row string) error { return decodeToken(id, row, &t) })
	return t, found, err
}

// Credential gives what validation needs of a token, and false for an id that is
// not known. It is the fast read: it answers from memory where it can, and decodes
// no more than it gives.
func (r *Reader) Credential(id ulid.ULID) (c Credential, found bool, err error) {
	v, err := r.view()
	if err != nil {
		return Credential{}, false, err
	}
	if err := v.Err(); err != nil {
		return Credential{}, false, err
	}
	head, ok, ticket := r.p.cache.get(id)
	if ok {
		if c, _, err = decodeCredential(id, head); err != nil {
			return Credential{}, false, fmt.Errorf("token %s: %w", id, err)
		}
		return c, true, nil
	}
	found, err = r.row(id, func(row string) (err error) {
		var n int
		if c, n, err = decodeCredential(id, row); err == nil {
			r.p.cache.offer(id, row[:n], ticket)
		}
		return err
	})
	return c, found, err
}

// Usage gives how a token was used. It is the zero value for one that never was.
func (r *Reader) Usage(id ulid.ULID) (Usage, error) {
	row, found, err := r.get(idKey(nil, kindUsage, id))
	if err != nil || !found {
		return Usage{}, err
	}
	u, err := decodeUsage(row)
	if err != nil {
		return Usage{}, fmt.Errorf("use of token %s: %w", id, err)
	}
	return u, nil
}

// Record gives the record of a token with its use, and false for an id that is not
// known.
func (r *Reader) Record(id ulid.ULID) (Record, bool, error) {
	t, found, err := r.Token(id)
	if err != nil || !found {
		return Record{}, false, err
	}
	u, err := r.Usage(id)
	return Record{Token: t, Usage: u}, err == nil, err
}

// ByHash gives the imported token with this SHA-256 over its whole string: the one
// that was imported last, if there are several.
func (r *Reader) ByHash(h events.Digest) (id ulid.ULID, found bool, err error) {
	row, found, err := r.get(hashKey(nil, h))
	if err != nil || !found {
		return ulid.ULID{}, false, err
	}
	if len(row) != idSize {
		return ulid.ULID{}, false, fmt.Errorf("%w: index of imported tokens", errRow)
	}
	copy(id[:], row)
	return id, true, nil
}

// JournalPos gives the highest position of a node's usage journal whose event was
// applied, 0 if none was.
func (r *Reader) JournalPos(node string) (uint64, error) {
	row, found, err := r.get(append([]byte{kindJournal}, node...))
	if err != nil || !found {
		return 0, err
	}
	return decodeUint64(row)
}

// OtherRoot reports whether a token other than except holds [ScopeRoot] and can be
// counted on: it is active at now, has no end ahead, and may be used from anywhere.
// It reads only the tokens that were ever given that scope.
func (r *Reader) OtherRoot(except ulid.ULID, now time.Time) (found bool, err error) {
	err = r.each([]byte{kindRoot}, []byte{kindRoot + 1}, func(key, _ []byte) (bool, error) {
		var id ulid.ULID
		copy(id[:], key[1:])
		if id == except {
			return true, nil
		}
		c, known, err := r.Credential(id)
		found = err == nil && known && c.Status(now) == StatusActive &&
			c.RevokedAt.IsZero() && c.ExpiresAt.IsZero() && len(c.AllowedCIDRs) == 0
		return !found, err
	})
	return found && err == nil, err
}

// Warm reads what validation needs of every token into the cache, until it is full
// or ctx ends. It is worth its time (about a second for a million tokens) after a
// start, and safe beside everything else.
func (r *Reader) Warm(ctx context.Context) error {
	v, err := r.view()
	if err != nil {
		return err
	}
	const atOnce = 4096
	for next := []byte{kindToken}; next != nil; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if next, err = r.warmFrom(v, next, atOnce); err != nil {
			return err
		}
	}
	return nil
}

// warmFrom reads n tokens from the key on and gives the next key, nil at the end.
func (r *Reader) warmFrom(v *projections.View, from []byte, n int) (next []byte, err error) {
	tickets := r.p.cache.tickets()
	it, err := v.Iter(from, []byte{kindToken + 1})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		if n--; n < 0 {
			next = append([]byte(nil), key...)
			break
		}
		var value []byte
		if value, err = it.Value(); err != nil {
			break
		}
		var id ulid.ULID
		copy(id[:], key[1:])
		row := string(value)
		var head int
		if _, head, err = decodeCredential(id, row); err != nil {
			err = fmt.Errorf("token %s: %w", id, err)
			break
		}
		if !r.p.cache.warm(id, row[:head], tickets) {
			next = nil
			break
		}
	}
	return next, errors.Join(err, it.Close())
}
