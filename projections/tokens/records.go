package tokens

import (
	"bytes"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/projections"
)

// records gives the rows of tokens as they are within a batch: what the batch has
// written so far over what is committed.
type records struct {
	// highest is the highest id committed. Ids begin with the time they were made
	// at, so most new ones lie above it and are known to be new without a look
	// into the store. It only saves the look: an id below it is looked up.
	highest ulid.ULID
	top     ulid.ULID // the highest of the batch too

	index   map[ulid.ULID]int // into changed
	changed []changed
	rows    []byte // of changed; kept between batches
	read    []byte
}

type changed struct {
	id         ulid.ULID
	start, end int // in records.rows
	head       int // length
}

func (c *records) load(v *projections.View) error {
	it, err := v.Iter([]byte{kindToken}, []byte{kindToken + 1})
	if err != nil {
		return err
	}
	c.highest = ulid.ULID{}
	if it.Last() {
		copy(c.highest[:], it.Key()[1:])
	}
	c.top = c.highest
	c.index = make(map[ulid.ULID]int)
	c.reset()
	return it.Close()
}

// row gives the row of a token. It is valid until the next call of row or put.
func (c *records) row(w *projections.Writer, id ulid.ULID) (row []byte, known bool, err error) {
	if i, ok := c.index[id]; ok {
		ch := c.changed[i]
		return c.rows[ch.start:ch.end], true, nil
	}
	if bytes.Compare(id[:], c.highest[:]) > 0 {
		return nil, false, nil
	}
	var key [1 + idSize]byte
	c.read, known, err = w.Get(idKey(key[:0], kindToken, id), c.read[:0])
	return c.read, known, err
}

// put takes the record for the rest of the batch and gives its row.
func (c *records) put(t *Token) (row []byte) {
	start := len(c.rows)
	var head int
	c.rows, head = appendToken(c.rows, t)
	ch := changed{id: t.ID, start: start, end: len(c.rows), head: head}
	if i, ok := c.index[t.ID]; ok {
		c.changed[i] = ch
	} else {
		c.index[t.ID] = len(c.changed)
		c.changed = append(c.changed, ch)
	}
	if bytes.Compare(t.ID[:], c.top[:]) > 0 {
		c.top = t.ID
	}
	return c.rows[start:]
}

// committed replaces what the cache holds of the tokens that the batch changed.
func (c *records) committed(to *cache) {
	for _, ch := range c.changed {
		to.replace(ch.id, c.rows[ch.start:ch.start+ch.head])
	}
	c.highest = c.top
	c.reset()
}

func (c *records) reset() {
	c.index = emptiedMap(c.index)
	c.changed = emptied(c.changed)
	c.rows = emptied(c.rows)
}
