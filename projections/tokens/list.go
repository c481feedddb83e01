package tokens

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/projections"
)

// Page is one page of a list.
type Page struct {
	Tokens []Record
	// Next is the cursor for the next page, empty when there is none.
	Next string
	// Scanned is the number of index rows that were looked at.
	Scanned int
}

// List gives tokens in the order of creation (of their ids). The one exception is a
// query that the expiry index answers: one within a tenant, with ExpiresBefore or
// [StatusExpired], and with none of Site, Owner, [StatusRevoked] and
// [StatusSuspended], whose indexes come first. It gives tokens in the order in which
// they expire.
//
// A page has at most Limit tokens. It may have fewer, even none, and yet a Next: one
// call looks at 50,000 rows at most, so that a filter that seldom matches (Name,
// Scope, UnusedSince, and Status where few tokens have it) does not keep a caller
// waiting, or the node busy. The list is at its end when Next is empty.
//
// A cursor continues behind the last row that was looked at. What is there
// throughout is given exactly once; what is created, or changes so that it matches,
// is given if it lies behind the cursor.
//
// Errors are [*QueryError], [*CursorError], and those of the store.
func (r *Reader) List(q Query) (Page, error) {
	if err := q.check(); err != nil {
		return Page{}, err
	}
	w := q.plan()
	position, err := q.position(w.size)
	if err != nil {
		return Page{}, err
	}
	if position != nil {
		// The first key behind the one at the position.
		w.lower = append(append(append([]byte(nil), w.lower[:w.skip]...), position...), 0)
		if bytes.Compare(w.lower, w.upper) >= 0 {
			return Page{}, nil
		}
	}
	v, err := r.view()
	if err != nil {
		return Page{}, err
	}
	index, err := v.Iter(w.lower, w.upper)
	if err != nil {
		return Page{}, err
	}
	// Opened after the index, so a token that is in the index is here too.
	rows, err := openRows(v, &q, w)
	if err != nil {
		return Page{}, errors.Join(err, index.Close())
	}
	page, err := q.scan(index, rows, w, r.maxScan)
	err = errors.Join(err, rows.close(), index.Close())
	if err != nil {
		return Page{}, err
	}
	return page, r.addUsage(&q, &page)
}

// addUsage reads the use of the tokens found, where the scan did not.
func (r *Reader) addUsage(q *Query, page *Page) (err error) {
	if !q.UnusedSince.IsZero() {
		return nil
	}
	for i := range page.Tokens {
		rec := &page.Tokens[i]
		if rec.Usage, err = r.Usage(rec.ID); err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) scan(index *projections.Iter, rows *rows, w walk, maxScan int) (Page, error) {
	var page Page
	limit := q.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	name := strings.ToLower(q.Name)
	var last [sortableTime + idSize]byte
	for ok := index.First(); ok; ok = index.Next() {
		if len(page.Tokens) == limit || page.Scanned == maxScan {
			page.Next = q.cursor(last[:w.size])
			break
		}
		key := index.Key()
		if len(key) != w.skip+w.size {
			return Page{}, fmt.Errorf("%w: index %q has a key of %d bytes", errRow, w.kind, len(key))
		}
		copy(last[:], key[w.skip:])
		page.Scanned++
		var id ulid.ULID
		copy(id[:], key[len(key)-idSize:])
		rec, found, err := rows.read(id, index)
		if err != nil {
			return Page{}, err
		}
		if !found || !q.matches(&rec.Token, name) {
			continue
		}
		if err := rows.addUsage(&rec); err != nil {
			return Page{}, err
		}
		if q.unused(&rec.Token, &rec.Usage) {
			page.Tokens = append(page.Tokens, rec)
		}
	}
	return page, nil
}

// rows reads records beside an index that is walked along, by iterators that mostly
// have to go one row on.
type rows struct {
	records *projections.Iter // nil where the index itself has the records
	usage   *projections.Iter // nil where use decides nothing
	key     []byte
}

func openRows(v *projections.View, q *Query, w walk) (*rows, error) {
	var r rows
	var err error
	if w.kind != kindToken {
		if r.records, err = v.Iter([]byte{kindToken}, []byte{kindToken + 1}); err != nil {
			return nil, err
		}
	}
	if !q.UnusedSince.IsZero() {
		if r.usage, err = v.Iter([]byte{kindUsage}, []byte{kindUsage + 1}); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return &r, nil
}

func (r *rows) close() (err error) {
	for _, it := range []*projections.Iter{r.records, r.usage} {
		if it != nil {
			err = errors.Join(err, it.Close())
		}
	}
	return err
}

func (r *rows) read(id ulid.ULID, index *projections.Iter) (rec Record, found bool, err error) {
	var row []byte
	if r.records == nil {
		row, err = index.Value()
		found = err == nil
	} else {
		row, found, err = r.at(r.records, kindToken, id)
	}
	if err != nil || !found {
		return rec, false, err
	}
	if err := decodeToken(id, string(row), &rec.Token); err != nil {
		return rec, false, fmt.Errorf("token %s: %w", id, err)
	}
	return rec, true, nil
}

func (r *rows) addUsage(rec *Record) error {
	if r.usage == nil {
		return nil
	}
	row, found, err := r.at(r.usage, kindUsage, rec.ID)
	if err != nil || !found {
		return err
	}
	if rec.Usage, err = decodeUsage(row); err != nil {
		return fmt.Errorf("use of token %s: %w", rec.ID, err)
	}
	return nil
}

// at gives the value of the row of an id.
func (r *rows) at(it *projections.Iter, kind byte, id ulid.ULID) (value []byte, found bool, err error) {
	r.key = idKey(r.key[:0], kind, id)
	if !it.SeekGE(r.key) || string(it.Key()) != string(r.key) {
		return nil, false, nil
	}
	value, err = it.Value()
	return value, err == nil, err
}
