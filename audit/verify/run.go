package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
)

// verifier goes once over a log. Workers read chunks and compute their hashes; one
// goroutine puts them together in order, so that the first bad place is the one that is
// named.
type verifier struct {
	src      Source
	key      string
	origin   string
	size     uint64
	marks    []mark // by size
	progress func(done, total uint64)

	tree  tree
	rows  [layout.MaxLevels]row // above level 0
	wrong *wrongRoot            // the one to be reported
}

// row is a tile that fills.
type row struct {
	n      uint64 // of the tile
	hashes []tlog.Hash
}

// wrongRoot is a mark that was not met.
type wrongRoot struct {
	mark mark
	root tlog.Hash
}

func (v *verifier) run(ctx context.Context) error {
	v.meet(nil)
	if err := v.chunks(ctx); err != nil {
		return err
	}
	for level := 1; level < layout.MaxLevels; level++ {
		if err := v.tile(ctx, level); err != nil {
			return err
		}
	}
	if v.wrong != nil {
		return v.wrong.mark.unmet(v.wrong.root)
	}
	if len(v.marks) > 0 {
		// Everything that was promised has to be compared. This is not to come to pass.
		return bad(layout.StateFile, hintKeep, "%d entries were verified, and a root is known of %d", v.tree.size, v.marks[0].size)
	}
	return nil
}

// chunks has all chunks read and put together.
func (v *verifier) chunks(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	workers := v.src.workers()
	free := make(chan *chunk, 2*workers)
	work, order := make(chan *chunk, cap(free)), make(chan *chunk, cap(free))
	for range cap(free) {
		free <- &chunk{done: make(chan struct{}, 1)}
	}
	wg.Go(func() {
		defer close(work)
		defer close(order)
		for first := uint64(0); first < v.size; first += chunkLeaves {
			select {
			case c := <-free:
				c.reset(first, int(min(chunkLeaves, v.size-first)))
				work <- c
				order <- c
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			for c := range work {
				if ctx.Err() == nil {
					v.src.fill(ctx, c)
					c.check()
				}
				c.done <- struct{}{}
			}
		})
	}
	for c := range order {
		<-c.done
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := v.take(ctx, c); err != nil {
			return err
		}
		if v.progress != nil {
			v.progress(v.tree.size, v.size)
		}
		free <- c
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// check computes the hashes of the leaves and compares them with those of the log.
func (c *chunk) check() {
	for i := range c.n() {
		h := leafHash(c.buf, c.begin[i], c.end[i])
		c.hashes = append(c.hashes, h)
		if c.bad != nil {
			continue
		}
		unmet := h != c.storedHash(i)
		problem := c.leafProblem(i)
		if unmet || problem != "" {
			c.bad = &badLeaf{i, unmet, problem}
		}
	}
	if c.bad != nil {
		return
	}
	for at := 0; at+layout.TileWidth <= len(c.hashes); at += layout.TileWidth {
		c.roots = append(c.roots, tileRoot(c.hashes[at:at+layout.TileWidth]))
	}
}

// leafProblem says what is wrong with what a leaf says, "" if nothing is.
func (c *chunk) leafProblem(i int) string {
	seq := c.first + uint64(i) + 1
	has, err := layout.LeafSeq(c.leaf(i))
	switch {
	case err != nil:
		return fmt.Sprintf("the entry of sequence %d was altered: %v", seq, err)
	case has != seq:
		return misplaced("", has, seq).Problem
	}
	return ""
}

// take puts a chunk behind those before it.
func (v *verifier) take(ctx context.Context, c *chunk) error {
	if c.bad != nil {
		return v.blame(ctx, c)
	}
	if c.first == 0 && c.n() > 0 {
		if err := v.created(c.leaf(0)); err != nil {
			return err
		}
	}
	if c.err != nil {
		return c.err
	}
	for at := 0; at < len(c.hashes); at += layout.TileWidth {
		leaves := c.hashes[at:min(at+layout.TileWidth, len(c.hashes))]
		v.meet(leaves)
		if len(leaves) < layout.TileWidth {
			v.tree = *v.tree.with(leaves)
			break
		}
		root := c.roots[at/layout.TileWidth]
		v.tree.push(layout.TileHeight, root)
		if err := v.hash(ctx, 1, root); err != nil {
			return err
		}
	}
	return nil
}

// meet compares the roots of the marks that lie behind the tree and not behind leaves.
func (v *verifier) meet(leaves []tlog.Hash) {
	for len(v.marks) > 0 && v.marks[0].size <= v.tree.size+uint64(len(leaves)) {
		m := v.marks[0]
		v.marks = v.marks[1:]
		t := v.tree.with(leaves[:m.size-v.tree.size])
		root := t.root()
		same := root == m.root && (m.edge == nil || slices.Equal(t.edge[:t.n], m.edge))
		if !same && (v.wrong == nil || m.what < v.wrong.mark.what) {
			v.wrong = &wrongRoot{m, root}
		}
	}
}

// hash adds a hash to a level above 0, and compares a tile that is full.
func (v *verifier) hash(ctx context.Context, level int, h tlog.Hash) error {
	r := &v.rows[level]
	r.hashes = append(r.hashes, h)
	if len(r.hashes) < layout.TileWidth {
		return nil
	}
	if err := v.tile(ctx, level); err != nil {
		return err
	}
	root := tileRoot(r.hashes)
	r.n, r.hashes = r.n+1, r.hashes[:0]
	return v.hash(ctx, level+1, root)
}

// tile compares the hashes of a level with those of the log.
func (v *verifier) tile(ctx context.Context, level int) error {
	r := &v.rows[level]
	if len(r.hashes) == 0 {
		return nil
	}
	stored, err := v.src.tile(ctx, level, r.n, len(r.hashes))
	if err != nil {
		return err
	}
	for i, h := range hashesOf(stored) {
		if h != r.hashes[i] {
			each := uint64(1) << (layout.TileHeight * level)
			first := (r.n*layout.TileWidth + uint64(i)) * each
			return bad(v.src.tileFile(level, r.n), hintKeep, "its hash number %d is not that of the entries of sequences %d to %d, which have their own hashes: it was altered, or one of them was with its hash", i, first+1, first+each)
		}
	}
	return nil
}

// blame says whether an entry is bad, or the hash that the log has for it: the hashes
// above, or else the root, tell.
func (v *verifier) blame(ctx context.Context, c *chunk) error {
	i := c.bad.i
	seq := c.first + uint64(i) + 1
	if e := v.src.miscut(c, i); e != nil {
		return e
	}
	entry := bad(v.src.leafFile(seq-1), hintKeep, "the entry of sequence %d was altered: its hash is not the one that the log has for it", seq).at(seq)
	if c.bad.problem != "" {
		entry.Problem = c.bad.problem
	}
	if !c.bad.unmet || c.bad.problem != "" {
		return entry
	}
	at := i - i%layout.TileWidth
	end := min(at+layout.TileWidth, c.want)
	if len(c.hashes) < end {
		return entry
	}
	computed := c.hashes[at:end]
	var above tlog.Hash
	root := func(leaves []tlog.Hash) tlog.Hash { return tileRoot(leaves) }
	if len(computed) == layout.TileWidth {
		n := (c.first + uint64(at)) / layout.TileWidth
		tile, inside := n/layout.TileWidth, n%layout.TileWidth
		width := min(layout.TileWidth, layout.LevelHashes(1, v.size)-tile*layout.TileWidth)
		stored, err := v.src.tile(ctx, 1, tile, int(width))
		if err != nil {
			return entry
		}
		above = hashesOf(stored)[inside]
	} else {
		// On the right edge there is the root. The tiles before it are true, those in
		// this chunk have their roots in no place yet.
		t := v.tree
		for begin := 0; begin < at; begin += layout.TileWidth {
			t.push(layout.TileHeight, tileRoot(c.hashes[begin:begin+layout.TileWidth]))
		}
		above = v.marks[slices.IndexFunc(v.marks, func(m mark) bool { return m.size == v.size })].root
		root = func(leaves []tlog.Hash) tlog.Hash {
			whole := t.with(leaves)
			return whole.root()
		}
	}
	if root(computed) == above {
		return bad(v.src.tileFile(0, (seq-1)/layout.TileWidth), hintKeep, "its hash for the entry of sequence %d was altered: the entry itself is the one that the hashes above were made of", seq).at(seq)
	}
	return entry
}

// created looks at the first event, which names the ledger's key.
func (v *verifier) created(leaf []byte) error {
	const typ = "tokenledger.ledger.created.v1"
	file := v.src.leafFile(0)
	l, err := layout.ParseLeaf(leaf)
	if err != nil {
		return err // it was read before
	}
	var event struct {
		Type string `json:"type"`
		Data struct {
			Origin string `json:"log_origin"`
			Key    string `json:"public_key"`
		} `json:"data"`
	}
	if err := json.Unmarshal(l.Event, &event); err != nil || event.Type != typ {
		return bad(file, hintKeep, "the entry of sequence 1 is no %s, with which every ledger begins", typ).at(1)
	}
	if event.Data.Origin == v.origin && event.Data.Key != v.key {
		return bad(file, hintKey, "the entry of sequence 1 names the log's key %s, and the log is verified with %s", event.Data.Key, v.key).at(1)
	}
	return nil
}
