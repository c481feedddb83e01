package tokens

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"
)

func cacheID(n int) (id ulid.ULID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// The cache may forget, but what it gives is what was put last.
func TestCacheGivesWhatWasPutLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCache(rapid.IntRange(300, 600).Draw(t, "size") << 10)
		defer c.close()
		want := map[int]string{}
		ids := rapid.IntRange(1, 3000).Draw(t, "ids")
		step := rapid.IntRange(100, 500).Draw(t, "length")
		found := 0
		for i := range 5000 {
			n := (i * 7919) % ids
			head := strings.Repeat(string(rune('a'+i%26)), 1+(i*31)%step)
			switch i % 5 {
			case 0, 1:
				c.replace(cacheID(n), []byte(head))
				want[n] = head
			case 2:
				_, ok, ticket := c.get(cacheID(n))
				if !ok {
					c.offer(cacheID(n), head, ticket)
					want[n] = head
				}
			case 3:
				// A ticket from before a change is void.
				_, ok, ticket := c.get(cacheID(n))
				c.replace(cacheID(n), []byte(head))
				want[n] = head
				if !ok {
					c.offer(cacheID(n), "old", ticket)
				}
			}
			probe := (i * 104729) % ids
			if got, ok, _ := c.get(cacheID(probe)); ok {
				found++
				if got != want[probe] {
					t.Fatalf("step %d: token %d gives %q, not %q", i, probe, got, want[probe])
				}
			}
		}
		if found == 0 {
			t.Fatal("the cache found nothing at all")
		}
		for i := range c.shards {
			checkShard(t, c, &c.shards[i])
		}
	})
}

func checkShard(t *rapid.T, c *cache, s *cacheShard) {
	used := 0
	for slot, at := range s.slots {
		if at == 0 {
			continue
		}
		used++
		var id ulid.ULID
		copy(id[:], s.arena[s.offset(slot):])
		if got, ok := s.find(c, c.hash(id), id); !ok || got != slot {
			t.Fatalf("an entry stands in slot %d and is sought in %d", slot, got)
		}
	}
	if used != s.used || used > s.entries {
		t.Fatalf("%d slots are used, %d were counted, for %d entries", used, s.used, s.entries)
	}
}

func TestTooLargeHeadIsNotKeptAndDrivesOutTheOldOne(t *testing.T) {
	c := newCache(512 << 10)
	defer c.close()
	c.replace(cacheID(1), []byte("small"))
	c.replace(cacheID(1), make([]byte, 100<<10))
	if head, ok, _ := c.get(cacheID(1)); ok {
		t.Errorf("a row that was replaced is still found, %d bytes", len(head))
	}
}

func TestCacheWithoutMemoryIsEmpty(t *testing.T) {
	for _, size := range []int{-1, 0, 1000} {
		c := newCache(size)
		c.replace(cacheID(1), []byte("x"))
		if _, ok, ticket := c.get(cacheID(1)); ok || c.warm(cacheID(1), "x", nil) {
			t.Errorf("a cache of %d bytes keeps something", size)
		} else {
			c.offer(cacheID(1), "x", ticket)
		}
		c.clear()
		c.close()
		c.close()
	}
}

func TestClosedCacheFindsAndKeepsNothing(t *testing.T) {
	c := newCache(1 << 20)
	c.replace(cacheID(1), []byte("x"))
	c.close()
	c.replace(cacheID(2), []byte("x"))
	for n := range 3 {
		if _, ok, _ := c.get(cacheID(n)); ok {
			t.Errorf("a closed cache gives token %d", n)
		}
	}
}

func BenchmarkCacheGet(b *testing.B) {
	c := newCache(DefaultCacheBytes)
	defer c.close()
	const n = 1 << 20
	head := []byte(fmt.Sprintf("%100d", 1))
	for i := range n {
		c.replace(cacheID(i), head)
	}
	i := 0
	for b.Loop() {
		i = (i*5 + 12345) % n
		if _, ok, _ := c.get(cacheID(i)); !ok {
			b.Fatalf("token %d was driven out of a cache of %d", i, n)
		}
	}
}
