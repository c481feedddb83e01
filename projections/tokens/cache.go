package tokens

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"

	"github.com/oklog/ulid/v2"
)

// cache keeps the heads of token rows, as bytes, in memory that holds no pointers.
// It is bounded; when full, what came first goes first.
//
// It never outlives a change: whoever commits a batch replaces the rows that the
// batch changed before anybody is told of the batch. And whoever read a row from the
// store, perhaps before such a commit, may put it here only with the ticket that it
// took before it read, which the commit has made void.
type cache struct {
	shards []cacheShard
	seed   [2]uint64
	free   func()
}

// ticket says at which change of a shard a reader began.
type ticket uint64

const cacheShards = 64

// entryOverhead is the size of an entry's header: the id and the length of the head.
const entryOverhead = idSize + 4

func newCache(size int) *cache {
	c := &cache{seed: [2]uint64{rand.Uint64(), rand.Uint64()}, free: func() {}}
	// A slot, of four bytes, for every 96 bytes or fewer: entries are seldom smaller.
	perShard := size / cacheShards
	slots := 1 << max(bits.Len(uint(max(perShard, 0)/96)), 4)
	arena := (perShard - 4*slots) &^ 7
	if arena < 4<<10 {
		return c // too little to be of use
	}
	mem, free := allocate(cacheShards * arena)
	c.free = free
	c.shards = make([]cacheShard, cacheShards)
	for i := range c.shards {
		s := &c.shards[i]
		s.arena = mem[i*arena : (i+1)*arena : (i+1)*arena]
		s.slots = make([]uint32, slots)
		s.end = arena
	}
	return c
}

func (c *cache) hash(id ulid.ULID) uint64 {
	// The seed keeps whoever chooses ids from choosing slots.
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^c.seed[0], binary.LittleEndian.Uint64(id[8:])^c.seed[1])
	return hi ^ lo
}

// get gives the head of a token's row, or a ticket for [cache.offer].
func (c *cache) get(id ulid.ULID) (head string, ok bool, t ticket) {
	if c.shards == nil {
		return "", false, 0
	}
	h := c.hash(id)
	s := &c.shards[h%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot, found := s.find(c, h, id); found {
		return string(s.headAt(s.offset(slot))), true, 0
	}
	return "", false, s.changes
}

// offer puts a head that was read from the store after the ticket was given.
func (c *cache) offer(id ulid.ULID, head string, t ticket) {
	if c.shards == nil {
		return
	}
	h := c.hash(id)
	s := &c.shards[h%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == t {
		s.put(c, h, id, []byte(head))
	}
}

// replace puts the head of a row that has just been committed.
func (c *cache) replace(id ulid.ULID, head []byte) {
	if c.shards == nil {
		return
	}
	h := c.hash(id)
	s := &c.shards[h%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.put(c, h, id, head)
}

// tickets gives one for every shard.
func (c *cache) tickets() []ticket {
	all := make([]ticket, len(c.shards))
	for i := range c.shards {
		c.shards[i].mu.Lock()
		all[i] = c.shards[i].changes
		c.shards[i].mu.Unlock()
	}
	return all
}

// warm is offer for many: it gives false once the cache has no room left.
func (c *cache) warm(id ulid.ULID, head string, all []ticket) bool {
	if c.shards == nil {
		return false
	}
	h := c.hash(id)
	s := &c.shards[h%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arena == nil || !s.room(len(head)) {
		return false
	}
	if s.changes == all[h%cacheShards] {
		if _, found := s.find(c, h, id); !found {
			s.put(c, h, id, []byte(head))
		}
	}
	return true
}

// clear drops everything and makes every ticket void.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.changes++
		s.reset()
		s.mu.Unlock()
	}
}

// close gives the memory back. Nothing is found, and nothing kept, afterwards.
func (c *cache) close() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.reset()
		s.arena = nil
		s.mu.Unlock()
	}
	c.free()
	c.free = func() {}
}

// cacheShard is a ring of entries and a hash table over it.
type cacheShard struct {
	mu      sync.Mutex
	changes ticket

	arena []byte
	// Entries lie from tail to end and from 0 to head, or from tail to head; each
	// is an id, the length of the row's head, and that, padded to eight bytes.
	head, tail, end int
	entries         int

	// slots are offsets in the arena, divided by eight, plus one; 0 is free.
	slots []uint32
	used  int
}

func (s *cacheShard) reset() {
	s.head, s.tail, s.end, s.entries, s.used = 0, 0, len(s.arena), 0, 0
	clear(s.slots)
}

func (s *cacheShard) offset(slot int) int { return int(s.slots[slot]-1) * 8 }

func entrySize(head int) int { return (entryOverhead + head + 7) &^ 7 }

func (s *cacheShard) headAt(off int) []byte {
	n := int(binary.LittleEndian.Uint32(s.arena[off+idSize:]))
	return s.arena[off+entryOverhead : off+entryOverhead+n]
}

// slotOf is where the search for a hash begins.
func (s *cacheShard) slotOf(h uint64) int { return int(h/cacheShards) & (len(s.slots) - 1) }

// find gives the slot of an id, or the free one where it would go.
func (s *cacheShard) find(c *cache, h uint64, id ulid.ULID) (slot int, found bool) {
	for i := s.slotOf(h); ; i = (i + 1) & (len(s.slots) - 1) {
		if s.slots[i] == 0 {
			return i, false
		}
		off := s.offset(i)
		if bytes.Equal(s.arena[off:off+idSize], id[:]) {
			return i, true
		}
	}
}

// room reports whether an entry fits without driving out another.
func (s *cacheShard) room(head int) bool {
	if s.used >= len(s.slots)-len(s.slots)/8 {
		return false
	}
	if s.entries > 0 && s.tail >= s.head {
		return s.tail-s.head >= entrySize(head)
	}
	return len(s.arena)-s.head >= entrySize(head)
}

func (s *cacheShard) put(c *cache, h uint64, id ulid.ULID, head []byte) {
	size := entrySize(len(head))
	if s.arena == nil {
		return
	}
	if size > len(s.arena)/8 {
		s.forget(c, h, id) // too large to keep
		return
	}
	for s.used >= len(s.slots)-len(s.slots)/8 {
		s.evict(c)
	}
	if s.entries == 0 {
		s.head, s.tail, s.end = 0, 0, len(s.arena)
	}
	if s.head+size > len(s.arena) {
		for s.entries > 0 && s.tail >= s.head {
			s.evict(c)
		}
		s.end, s.head = s.head, 0
	}
	for s.entries > 0 && s.tail >= s.head && s.tail < s.head+size {
		s.evict(c)
	}
	if s.entries == 0 {
		s.tail, s.end = s.head, len(s.arena)
	}
	off := s.head
	copy(s.arena[off:], id[:])
	binary.LittleEndian.PutUint32(s.arena[off+idSize:], uint32(len(head)))
	copy(s.arena[off+entryOverhead:], head)
	s.head += size
	s.entries++
	slot, found := s.find(c, h, id)
	if !found {
		s.used++
	}
	// An entry that the id had before stays in the ring, out of the table.
	s.slots[slot] = uint32(off/8 + 1)
}

// evict drops the oldest entry.
func (s *cacheShard) evict(c *cache) {
	var id ulid.ULID
	copy(id[:], s.arena[s.tail:])
	n := int(binary.LittleEndian.Uint32(s.arena[s.tail+idSize:]))
	if slot, found := s.find(c, c.hash(id), id); found && s.offset(slot) == s.tail {
		s.vacate(c, slot)
	}
	s.tail += entrySize(n)
	s.entries--
	if s.tail >= s.end {
		s.tail, s.end = 0, len(s.arena)
	}
}

func (s *cacheShard) forget(c *cache, h uint64, id ulid.ULID) {
	if slot, found := s.find(c, h, id); found {
		s.vacate(c, slot)
	}
}

// vacate frees a slot and moves up those behind it that were pushed past it.
func (s *cacheShard) vacate(c *cache, slot int) {
	mask := len(s.slots) - 1
	s.used--
	for next := slot; ; {
		next = (next + 1) & mask
		if s.slots[next] == 0 {
			break
		}
		var id ulid.ULID
		copy(id[:], s.arena[s.offset(next):])
		home := s.slotOf(c.hash(id))
		if (next-home)&mask >= (next-slot)&mask {
			s.slots[slot] = s.slots[next]
			slot = next
		}
	}
	s.slots[slot] = 0
}
