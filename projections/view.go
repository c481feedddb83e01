package projections

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// View reads the committed rows of one projection. Keys are the projection's own. It
// is safe for concurrent use. After a failure of the store every method answers a
// [*FatalError], after its end [ErrClosed].
type View struct {
	s     *store
	space []byte // what every key in the database begins with
	end   []byte // the first key behind the space
	keys  sync.Pool
}

func newView(s *store, name string) *View {
	v := &View{s: s}
	v.space, v.end = spaceOf(name)
	v.keys.New = func() any {
		b := append(make([]byte, 0, 128), v.space...)
		return &b
	}
	return v
}

// Err reports why the store no longer answers. It is for those who answer from rows
// that they keep in memory.
func (v *View) Err() error {
	if err := v.s.enter(); err != nil {
		return err
	}
	v.s.leave()
	return nil
}

// Get appends the value at key to dst and reports whether there is one.
func (v *View) Get(key, dst []byte) (value []byte, found bool, err error) {
	if err := v.s.enter(); err != nil {
		return dst, false, err
	}
	defer v.s.leave()
	full := v.keys.Get().(*[]byte)
	defer v.keys.Put(full)
	*full = append((*full)[:len(v.space)], key...)
	got, closer, err := v.s.db.Get(*full)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, v.s.readError(err)
	}
	value = append(dst, got...)
	if err := closer.Close(); err != nil {
		return dst, false, v.s.readError(err)
	}
	return value, true, nil
}

// Has reports whether there is a row at key.
func (v *View) Has(key []byte) (bool, error) {
	_, found, err := v.Get(key, nil)
	return found, err
}

// Iter gives the rows with lower <= key < upper, as they are now; a nil bound is
// the end of the projection's key space. The caller must Close it; the store's
// Close waits for that.
func (v *View) Iter(lower, upper []byte) (*Iter, error) {
	if err := v.s.enter(); err != nil {
		return nil, err
	}
	o := &pebble.IterOptions{LowerBound: v.full(lower), UpperBound: v.end}
	if upper != nil {
		o.UpperBound = v.full(upper)
	}
	it, err := v.s.db.NewIter(o)
	if err != nil {
		v.s.leave()
		return nil, v.s.readError(err)
	}
	return &Iter{it: it, v: v}, nil
}

func (v *View) full(key []byte) []byte {
	return append(append(make([]byte, 0, len(v.space)+len(key)), v.space...), key...)
}

// Iter walks over rows in the order of their keys. It is for one goroutine.
type Iter struct {
	it  *pebble.Iterator
	v   *View
	key []byte
}

// First moves to the first row and reports whether there is one.
func (i *Iter) First() bool { return i.it.First() }

// Last moves to the last row and reports whether there is one.
func (i *Iter) Last() bool { return i.it.Last() }

// Next moves to the next row and reports whether there is one.
func (i *Iter) Next() bool { return i.it.Next() }

// Prev moves to the row before and reports whether there is one.
func (i *Iter) Prev() bool { return i.it.Prev() }

// SeekGE moves to the first row at or behind key and reports whether there is one.
// It is cheapest when the keys that are sought ascend.
func (i *Iter) SeekGE(key []byte) bool {
	i.key = append(append(i.key[:0], i.v.space...), key...)
	return i.it.SeekGE(i.key)
}

// Valid reports whether the iterator stands on a row.
func (i *Iter) Valid() bool { return i.it.Valid() }

// Key is the row's key. It is valid until the iterator moves.
func (i *Iter) Key() []byte { return i.it.Key()[len(i.v.space):] }

// Value is the row's value. It is valid until the iterator moves.
func (i *Iter) Value() ([]byte, error) {
	b, err := i.it.ValueAndErr()
	if err != nil {
		return nil, i.v.s.readError(err)
	}
	return b, nil
}

// Close ends the walk and gives the error, if any, that ended it early.
func (i *Iter) Close() error {
	defer i.v.s.leave()
	if err := i.it.Close(); err != nil {
		return i.v.s.readError(err)
	}
	return nil
}
