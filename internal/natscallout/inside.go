package natscallout

import (
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// mostInside bounds the connections that are remembered, at some 100 bytes each. Those
// above it are found by the next round.
const mostInside = 100_000

// connection is one on a server of the cluster: the server's id, which it has from start
// to stop, and its number there, which is never used twice in that time.
type connection struct {
	server string
	client uint64
}

// inside are the connections that this node let in, by their tokens.
type inside struct {
	mu sync.Mutex
	of map[ulid.ULID]map[connection]time.Time // until when they are in
	n  int
}

func (in *inside) add(id ulid.ULID, c connection, until time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.n >= mostInside {
		return
	}
	if in.of == nil {
		in.of = make(map[ulid.ULID]map[connection]time.Time)
	}
	if in.of[id] == nil {
		in.of[id] = make(map[connection]time.Time, 1)
	}
	if _, ok := in.of[id][c]; !ok {
		in.n++
	}
	in.of[id][c] = until
}

func (in *inside) remove(id ulid.ULID, c connection) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.drop(id, c)
}

func (in *inside) drop(id ulid.ULID, c connection) {
	if _, ok := in.of[id][c]; !ok {
		return
	}
	delete(in.of[id], c)
	in.n--
	if len(in.of[id]) == 0 {
		delete(in.of, id)
	}
}

// tokens lists whose connections are remembered, and forgets those whose time was over
// before the given one: the server has ended them.
func (in *inside) tokens(before time.Time) []ulid.ULID {
	in.mu.Lock()
	defer in.mu.Unlock()
	ids := make([]ulid.ULID, 0, len(in.of))
	for id, conns := range in.of {
		for c, until := range conns {
			if until.Before(before) {
				in.drop(id, c)
			}
		}
		if len(conns) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// connections lists those of a token.
func (in *inside) connections(id ulid.ULID) []connection {
	in.mu.Lock()
	defer in.mu.Unlock()
	conns := make([]connection, 0, len(in.of[id]))
	for c := range in.of[id] {
		conns = append(conns, c)
	}
	return conns
}
