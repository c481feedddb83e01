package tokens

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// Usage is how a token was used. It has a row of its own, so that a use never
// rewrites the record.
type Usage struct {
	// UseCount counts the validations that found the token good.
	UseCount uint64
	// LastUsedAt is the latest of them, LastUsedIP where it came from. Zero for
	// a token that was never used.
	LastUsedAt time.Time
	LastUsedIP string
}

// add joins a later part of the stream's uses to an earlier one. The latest use
// holds; of two at the same instant, the one that came later in the stream.
func (u *Usage) add(later Usage) {
	u.UseCount += later.UseCount
	if !later.LastUsedAt.Before(u.LastUsedAt) {
		u.LastUsedAt, u.LastUsedIP = later.LastUsedAt, later.LastUsedIP
	}
}

const usageVersion = 1

func appendUsage(b []byte, u *Usage) []byte {
	b = append(b, usageVersion)
	b = appendUvarint(b, u.UseCount)
	b = appendTime(b, u.LastUsedAt)
	return appendString(b, u.LastUsedIP)
}

func decodeUsage(row []byte) (u Usage, err error) {
	r := rowReader{s: string(row)}
	if v := r.byte(); v != usageVersion && !r.bad {
		return u, fmt.Errorf("%w: usage row has version %d", errRow, v)
	}
	u.UseCount = r.uvarint()
	u.LastUsedAt = r.time()
	u.LastUsedIP = r.string()
	return u, r.end("usage")
}

// MergeValues implements [projections.Merging]: usage rows are the only ones that
// are merged, so that counting a use needs no read.
func (p *Projection) MergeValues(dst, older, newer []byte) ([]byte, error) {
	u, err := decodeUsage(older)
	if err != nil {
		return nil, err
	}
	n, err := decodeUsage(newer)
	if err != nil {
		return nil, err
	}
	u.add(n)
	return appendUsage(dst, &u), nil
}

// uses gathers the uses of one batch and knows how far the nodes' usage journals
// were applied.
type uses struct {
	// journal is the highest journal position applied, of each node.
	journal map[string]uint64
	moved   map[string]bool // nodes whose position the batch moved

	index map[ulid.ULID]int // into batch
	batch []use

	// busy holds the totals of tokens that are used all the time. Their rows are
	// written whole: otherwise thousands of operands would gather in one row, and
	// every read of it would have to add them up.
	busy map[ulid.ULID]Usage
	// seen counts the batches that a token was used in of late.
	seen map[ulid.ULID]uint8
}

type use struct {
	id ulid.ULID
	Usage
}

const (
	busyAfter = 16 // batches
	maxBusy   = 4 << 10
	maxSeen   = 16 << 10
)

func (u *uses) load(it *projections.Iter) error {
	*u = uses{
		journal: make(map[string]uint64),
		moved:   make(map[string]bool),
		index:   make(map[ulid.ULID]int),
		batch:   u.batch[:0],
		busy:    make(map[ulid.ULID]Usage),
		seen:    make(map[ulid.ULID]uint8),
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if err != nil {
			return err
		}
		pos, err := decodeUint64(v)
		if err != nil {
			return fmt.Errorf("journal position of node %q: %w", it.Key()[1:], err)
		}
		u.journal[string(it.Key()[1:])] = pos
	}
	return nil
}

// advance reports whether an entry of a node's journal is new, and if so notes it.
func (u *uses) advance(d *events.Use) bool {
	if d.JournalPos <= u.journal[d.Node] {
		return false
	}
	u.journal[d.Node] = d.JournalPos
	u.moved[d.Node] = true
	return true
}

func (u *uses) count(d *events.Use) {
	got := Usage{UseCount: d.Count, LastUsedAt: d.LastAt, LastUsedIP: d.IP}
	if i, ok := u.index[d.TokenID]; ok {
		u.batch[i].add(got)
		return
	}
	u.index[d.TokenID] = len(u.batch)
	u.batch = append(u.batch, use{id: d.TokenID, Usage: got})
}

func (u *uses) flush(w *projections.Writer, out *output, key, val []byte) error {
	for i := range u.batch {
		one := &u.batch[i]
		key = idKey(key[:0], kindUsage, one.id)
		total, busy := u.busy[one.id]
		if !busy {
			if busy = u.noteSeen(one.id); busy {
				row, found, err := w.Get(key, val[:0])
				if err == nil && found {
					total, err = decodeUsage(row)
				}
				if err != nil {
					return err
				}
			}
		}
		if !busy {
			out.merge(key, appendUsage(val[:0], &one.Usage))
			continue
		}
		total.add(one.Usage)
		if len(u.busy) >= maxBusy {
			clear(u.busy)
		}
		u.busy[one.id] = total
		out.set(key, appendUsage(val[:0], &total))
	}
	for node := range u.moved {
		out.set(append(append(key[:0], kindJournal), node...), appendUint64(val[:0], u.journal[node]))
	}
	u.reset()
	return nil
}

func (u *uses) noteSeen(id ulid.ULID) (busy bool) {
	if len(u.seen) >= maxSeen {
		clear(u.seen)
	}
	n := u.seen[id] + 1
	u.seen[id] = n
	if n < busyAfter {
		return false
	}
	delete(u.seen, id)
	return true
}

func (u *uses) reset() {
	u.index = emptiedMap(u.index)
	u.batch = emptied(u.batch)
	clear(u.moved)
}
