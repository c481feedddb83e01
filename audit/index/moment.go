package index

import (
	"context"
	"fmt"
	"time"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/projections"
)

// LastBefore gives the highest sequence, up to the sequence to, whose event arrived at
// or before a time; 0 if there is none. Clocks can step back: what came before it may
// have arrived later by the clock. The log is read to find it.
func (x *Index) LastBefore(ctx context.Context, t time.Time, to uint64) (uint64, error) {
	view, stored, tail, err := x.snapshot(ctx)
	if err != nil {
		return 0, err
	}
	for seq := min(to, stored+uint64(len(tail))); seq > stored; seq-- {
		if !tail[seq-stored-1].received.After(t) {
			return seq, nil
		}
	}
	behind := min(to, stored) + 1 // the blocks from here on have none
	for behind > 1 {
		b, err := blockBefore(ctx, view, t, behind)
		if err != nil {
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			return 0, x.readError(err)
		}
		if b.last == 0 {
			return 0, nil
		}
		if seq, err := x.lastInBlock(b, t, to); err != nil || seq != 0 {
			return seq, err
		}
		behind = b.first
	}
	return 0, nil
}

// blockBefore gives the last block with a sequence before behind that has an event
// that arrived at or before t.
func blockBefore(ctx context.Context, v *projections.View, t time.Time, behind uint64) (found block, err error) {
	it, err := v.Iter([]byte{kindBlock}, []byte{kindBlock + 1})
	if err != nil {
		return block{}, err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	// The block that has the sequence before behind, or the last one there is.
	ok := it.SeekGE(blockKey(nil, behind-1)) || it.Last()
	for n := 0; ok; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return block{}, ctx.Err()
		}
		last, _, err := split(it.Key()[1:])
		if err != nil {
			return block{}, err
		}
		value, err := it.Value()
		if err != nil {
			return block{}, err
		}
		b, err := parseBlock(last, value)
		if err != nil {
			return block{}, err
		}
		if b.first >= behind {
			return block{}, fmt.Errorf("%w: the blocks %d and %d overlap", errRow, behind, last)
		}
		if !b.from.After(t) {
			return b, nil
		}
		ok = it.Prev()
	}
	return block{}, nil
}

// lastInBlock is LastBefore within a block; 0 if there is none.
func (x *Index) lastInBlock(b block, t time.Time, to uint64) (found uint64, err error) {
	err = x.cfg.Log.Leaves(b.first, min(b.last, to), func(seq uint64, leaf []byte) error {
		l, err := layout.ParseLeaf(leaf)
		if err != nil {
			return fmt.Errorf("the log's entry of sequence %d: %w", seq, err)
		}
		if !l.Received.After(t) {
			found = seq
		}
		return nil
	})
	return found, err
}
