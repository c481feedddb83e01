package commands

import (
	"bytes"
	"encoding/binary"
)

// useTable is a set of byte strings that are numbered in the order in which they
// came, each with the counters of a [UseWindow]. It hashes with linear probing
// over indices; the strings stand one behind the other in an arena. Nothing in it
// is ever removed.
type useTable struct {
	index []uint32 // number+1 of a string, or 0; its length is a power of two
	slots [][]useSlot
	arena [][]byte
	n     int
}

type useSlot struct {
	hash uint32
	at   uint32 // chunk of the arena << 16 | offset
	// ctx is a part of the key: the number of the context in the other table.
	ctx         uint32
	first, last int64 // Unix milliseconds
	pos         uint64
	count       uint64
}

const (
	notFound       = ^uint32(0)
	slotsPerChunk  = 1 << 10
	arenaChunk     = 1 << 16
	firstChunk     = 1 << 10 // an almost empty window is small
	firstIndex     = 16
	slotSize       = 48
	indexEntrySize = 4
)

func (t *useTable) slot(i uint32) *useSlot { return &t.slots[i/slotsPerChunk][i%slotsPerChunk] }

func (t *useTable) bytes(i uint32) []byte {
	at := t.slot(i).at
	b := t.arena[at>>16][at&(arenaChunk-1):]
	n, used := binary.Uvarint(b)
	return b[used : used+int(n)]
}

func (t *useTable) find(hash uint64, ctx uint32, key []byte) uint32 {
	if t.n == 0 {
		return notFound
	}
	mask := uint32(len(t.index) - 1)
	for i := uint32(hash) & mask; ; i = (i + 1) & mask {
		number := t.index[i]
		if number == 0 {
			return notFound
		}
		number--
		s := t.slot(number)
		if s.hash == uint32(hash) && s.ctx == ctx && bytes.Equal(t.bytes(number), key) {
			return number
		}
	}
}

func (t *useTable) findOrAdd(hash uint64, ctx uint32, key []byte) uint32 {
	if number := t.find(hash, ctx, key); number != notFound {
		return number
	}
	if 4*(t.n+1) > 3*len(t.index) {
		t.grow()
	}
	number := uint32(t.n)
	if number%slotsPerChunk == 0 {
		t.slots = append(t.slots, make([]useSlot, 0, min(slotsPerChunk, max(4, t.n))))
	}
	chunk := &t.slots[len(t.slots)-1]
	*chunk = append(*chunk, useSlot{hash: uint32(hash), ctx: ctx, at: t.store(key)})
	t.n++
	t.place(number)
	return number
}

func (t *useTable) place(number uint32) {
	mask := uint32(len(t.index) - 1)
	i := t.slot(number).hash & mask
	for t.index[i] != 0 {
		i = (i + 1) & mask
	}
	t.index[i] = number + 1
}

func (t *useTable) grow() {
	t.index = make([]uint32, max(firstIndex, 2*len(t.index)))
	for number := range uint32(t.n) {
		t.place(number)
	}
}

// store copies key behind its length into the arena.
func (t *useTable) store(key []byte) uint32 {
	need := len(key) + binary.MaxVarintLen32
	last := len(t.arena) - 1
	if last < 0 || len(t.arena[last])+need > cap(t.arena[last]) {
		size := arenaChunk
		if last < 0 {
			size = max(firstChunk, need)
		}
		t.arena = append(t.arena, make([]byte, 0, size))
		last++
	}
	chunk := t.arena[last]
	at := uint32(last)<<16 | uint32(len(chunk))
	chunk = binary.AppendUvarint(chunk, uint64(len(key)))
	t.arena[last] = append(chunk, key...)
	return at
}

func (t *useTable) size() int {
	n := indexEntrySize * len(t.index)
	if len(t.slots) > 0 {
		n += slotSize * ((len(t.slots)-1)*slotsPerChunk + cap(t.slots[len(t.slots)-1]))
	}
	if len(t.arena) > 0 {
		n += cap(t.arena[0]) + (len(t.arena)-1)*arenaChunk
	}
	return n
}
