package index

import (
	"bytes"
	"slices"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
)

// Name and Version of the rows. Version grows with every change to the rows or to
// what they mean.
const (
	name    = "audit"
	version = 2
)

// writer writes the rows of one block: it is a projection of the log, in a store of
// its own, and one batch is one block. What it is applied to are no events but their
// sequences: the entries come by [writer.take].
type writer struct {
	view *projections.View

	first   uint64
	entries []entry

	index map[rowName]int // into rows
	rows  []row
	// places are the sequences of all rows; those of one row are chained.
	places []place
	keys   []byte
	seqs   []uint64
	value  []byte
}

type rowName struct {
	term   // the zero term for all events of the tenant
	tenant string
}

type row struct {
	rowName
	head, tail int // in places
	key, end   int // in keys
}

type place struct {
	seq  uint64
	next int
}

var _ projections.Stateful = (*writer)(nil)

// take sets what the next batch writes.
func (w *writer) take(first uint64, entries []entry) { w.first, w.entries = first, entries }

// Name implements [projections.Projection].
func (w *writer) Name() string { return name }

// Version implements [projections.Projection].
func (w *writer) Version() uint32 { return version }

// Load implements [projections.Stateful].
func (w *writer) Load(v *projections.View) error {
	w.view = v
	return nil
}

// Apply implements [projections.Projection].
func (w *writer) Apply(*projections.Writer, events.Recorded) error { return nil }

// Flush implements [projections.Stateful].
func (w *writer) Flush(to *projections.Writer) error {
	if len(w.entries) == 0 {
		return nil
	}
	w.gather()
	b := block{first: w.first, last: w.first + uint64(len(w.entries)) - 1, from: w.entries[0].received, to: w.entries[0].received}
	for i := range w.entries {
		if at := w.entries[i].received; at.Before(b.from) {
			b.from = at
		} else if at.After(b.to) {
			b.to = at
		}
	}
	w.keys = blockKey(w.keys[:0], b.last)
	w.value = b.append(w.value[:0])
	to.Set(w.keys, w.value)

	// Pebble's memtable takes neighbours much faster than keys that jump about.
	w.keys = w.keys[:0]
	for i := range w.rows {
		r := &w.rows[i]
		r.key = len(w.keys)
		if r.term == (term{}) {
			w.keys = appendSeq(tenantPrefix(w.keys, r.tenant), b.last)
		} else {
			w.keys = append(appendSeq(postingPrefix(w.keys, r.term), b.last), r.tenant...)
		}
		r.end = len(w.keys)
	}
	slices.SortFunc(w.rows, func(x, y row) int { return bytes.Compare(w.keys[x.key:x.end], w.keys[y.key:y.end]) })
	for i := range w.rows {
		r := &w.rows[i]
		w.seqs = w.seqs[:0]
		for at := r.head; at >= 0; at = w.places[at].next {
			w.seqs = append(w.seqs, w.places[at].seq)
		}
		w.value = appendPostings(w.value[:0], b.last, w.seqs)
		to.Set(w.keys[r.key:r.end], w.value)
	}
	return nil
}

// gather brings together, for each row, its sequences.
func (w *writer) gather() {
	if w.index == nil {
		w.index = make(map[rowName]int)
	}
	clear(w.index)
	w.rows, w.places = w.rows[:0], w.places[:0]
	for i := range w.entries {
		e := &w.entries[i]
		seq := w.first + uint64(i)
		w.add(rowName{tenant: e.tenant}, seq)
		for _, t := range e.terms {
			w.add(rowName{t, e.tenant}, seq)
		}
	}
}

func (w *writer) add(n rowName, seq uint64) {
	at := len(w.places)
	w.places = append(w.places, place{seq, -1})
	if i, ok := w.index[n]; ok {
		r := &w.rows[i]
		w.places[r.tail].next, r.tail = at, at
		return
	}
	w.index[n] = len(w.rows)
	w.rows = append(w.rows, row{rowName: n, head: at, tail: at})
}

// Committed implements [projections.Stateful].
func (w *writer) Committed() { w.entries = nil }

// Discarded implements [projections.Stateful].
func (w *writer) Discarded() { w.entries = nil }

// Closed implements [projections.Stateful].
func (w *writer) Closed() {}
