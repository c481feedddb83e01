package audit

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/events"
)

// replayChunk is how many events, at the most, are handed on at once.
const replayChunk = 4096

// replayAhead is how many chunks wait for apply at the most.
const replayAhead = 16

// Replay gives the events of the sequences behind after, in order, to apply: those that
// are durable when it is called. No event is given that the log's root does not prove:
// the hashes of the level above the leaves are held against the root first, and each
// 256 leaves against their hash there. apply runs on the calling goroutine and may keep
// the events, but not the slice.
//
// Errors: ctx's, apply's, a [*CorruptError], those of the file system.
func (r *Reader) Replay(ctx context.Context, after uint64, apply func([]events.Recorded) error) error {
	s := r.state.Load()
	if after >= s.Size {
		return nil
	}
	if err := r.prove(s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What comes next is read, hashed and decoded while apply runs. There is room for
	// what it may take long over: with a quarter of it a rebuild took a fifth longer.
	chunks := make(chan []events.Recorded, replayAhead)
	ended := make(chan error, 1)
	go func() {
		defer close(chunks)
		p := replay{r: r, after: after, size: s.Size, chunk: make([]events.Recorded, 0, replayChunk), hand: func(chunk []events.Recorded) error {
			select {
			case chunks <- chunk:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		ended <- p.run()
	}()
	for chunk := range chunks {
		if err := apply(chunk); err != nil {
			cancel()
			<-ended //nolint:errcheck // it was stopped on purpose
			return err
		}
	}
	return <-ended
}

// prove holds the hashes of the first level above the leaves, and those of the last
// leaves that have none there yet, against the root.
func (r *Reader) prove(s *layout.State) error {
	var rest []tlog.Hash
	if n := s.Size % layout.TileWidth; n > 0 {
		var err error
		if rest, err = r.hashes(0, s.Size-n, n); err != nil {
			return err
		}
	}
	got, err := r.rootWith(s, rest)
	if err == nil && got != s.Root {
		err = corrupt(layout.TilesDir, "has hashes that make the root %s, and the log of %d entries has %s", got, s.Size, s.Root)
	}
	return err
}

// rootWith gives the root that the hashes of the first level above the leaves make, with
// those of the last leaves, which have none there yet.
func (r *Reader) rootWith(s *layout.State, rest []tlog.Hash) (tlog.Hash, error) {
	full := layout.LevelHashes(1, s.Size)
	var upper, lower Tree
	for n := uint64(0); n < full; n += layout.TileWidth {
		hashes, err := r.hashes(1, n, min(layout.TileWidth, full-n))
		if err != nil {
			return tlog.Hash{}, err
		}
		for _, h := range hashes {
			upper.Push(h, nil)
		}
	}
	for _, h := range rest {
		lower.Push(h, nil)
	}
	all := Tree{size: s.Size, edge: append(upper.edge, lower.edge...)}
	return all.Root(), nil
}

// replay is one call of Replay at work.
type replay struct {
	r           *Reader
	after, size uint64
	decoder     events.Decoder
	chunk       []events.Recorded
	hand        func([]events.Recorded) error

	leaves [][]byte // of the tile under way
	hashes Tree
	hasher Hasher
}

func (p *replay) run() error {
	first := p.after/layout.TileWidth*layout.TileWidth + 1 // whole tiles are proved
	err := p.r.walk(first, p.size, func(seq uint64, leaf []byte) error {
		p.leaves = append(p.leaves, leaf)
		p.hashes.Push(p.hasher.Sum(leaf), nil)
		if seq%layout.TileWidth == 0 || seq == p.size {
			return p.tile(seq)
		}
		return nil
	})
	if err == nil && len(p.chunk) > 0 {
		err = p.hand(p.chunk)
	}
	if err != nil {
		return fmt.Errorf("replay the audit log: %w", err)
	}
	return nil
}

// tile proves the leaves that end with the sequence last, and decodes them.
func (p *replay) tile(last uint64) error {
	first := last - uint64(len(p.leaves)) + 1
	if err := p.proveTile(first, last); err != nil {
		return err
	}
	for i, leaf := range p.leaves {
		seq := first + uint64(i)
		if seq <= p.after {
			continue
		}
		e, err := Decode(&p.decoder, seq, leaf)
		if err != nil {
			return err
		}
		if p.chunk = append(p.chunk, e); len(p.chunk) == replayChunk {
			if err := p.hand(p.chunk); err != nil {
				return err
			}
			p.chunk = make([]events.Recorded, 0, replayChunk)
		}
	}
	p.leaves, p.hashes = p.leaves[:0], Tree{edge: p.hashes.edge[:0]}
	return nil
}

func (p *replay) proveTile(first, last uint64) error {
	if last%layout.TileWidth == 0 {
		want, err := p.r.hashes(1, last/layout.TileWidth-1, 1)
		if err != nil || want[0] == p.hashes.Root() {
			return err
		}
	}
	want, err := p.r.LeafHashes(first, last)
	if err != nil {
		return err
	}
	for i, leaf := range p.leaves {
		if tlog.RecordHash(leaf) != want[i] {
			return p.r.notTheLeaf(first + uint64(i))
		}
	}
	if last%layout.TileWidth == 0 {
		return corrupt(layout.TileFile(0), "has hashes for the sequences %d to %d that are not those of the log's root", first, last)
	}
	return nil
}

// notTheLeaf says what is damaged where the entry of a sequence has not the hash that
// the log has for it. Most likely it is the entry. But if the entries around it make the
// hash that the level above has for them, or the root, then that is two against one: the
// hash is.
func (r *Reader) notTheLeaf(seq uint64) error {
	s := r.state.Load()
	first := (seq - 1) / layout.TileWidth * layout.TileWidth
	n := min(layout.TileWidth, s.Size-first)
	var entries Tree
	var hashes []tlog.Hash
	err := r.walk(first+1, first+n, func(_ uint64, leaf []byte) error {
		h := tlog.RecordHash(leaf)
		hashes = append(hashes, h)
		entries.Push(h, nil)
		return nil
	})
	var want, got tlog.Hash
	switch {
	case err != nil:
	case n < layout.TileWidth:
		want = s.Root
		got, err = r.rootWith(s, hashes)
	default:
		var above []tlog.Hash
		if above, err = r.hashes(1, first/layout.TileWidth, 1); err == nil {
			want, got = above[0], entries.Root()
		}
	}
	if err == nil && want == got {
		return corrupt(layout.TileFile(0), "has a hash for sequence %d that is not that of its entry; the entry is whole, and proved by the hashes above it", seq)
	}
	return corrupt(segmentOf(seq), "has an entry for sequence %d that is not the one whose hash the log has", seq)
}
