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
	full, rest := layout.LevelHashes(1, s.Size), s.Size%layout.TileWidth
	var upper, lower Tree
	for n := uint64(0); n < full; n += layout.TileWidth {
		hashes, err := r.hashes(1, n, min(layout.TileWidth, full-n))
		if err != nil {
			return err
		}
		for _, h := range hashes {
			upper.Push(h, nil)
		}
	}
	if rest > 0 {
		hashes, err := r.hashes(0, s.Size-rest, rest)
		if err != nil {
			return err
		}
		for _, h := range hashes {
			lower.Push(h, nil)
		}
	}
	all := Tree{size: s.Size, edge: append(upper.edge, lower.edge...)}
	if got := all.Root(); got != s.Root {
		return corrupt(layout.TilesDir, "has hashes that make the root %s, and the log of %d entries has %s", got, s.Size, s.Root)
	}
	return nil
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
			return notTheLeaf(first + uint64(i))
		}
	}
	if last%layout.TileWidth == 0 {
		return corrupt(layout.TileFile(0), "has hashes for the sequences %d to %d that are not those of the log's root", first, last)
	}
	return nil
}

func notTheLeaf(seq uint64) error {
	return corrupt(segmentOf(seq), "has an entry for sequence %d that is not the one whose hash the log has", seq)
}
