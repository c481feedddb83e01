package tokens

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"
)

// useMark is the value of the history rows of uses and rejections; those of all
// other events have none.
var useMark = []byte{1}

// History gives the sequences of the events about a token that are above after, in
// order, at most limit of them (all for limit <= 0). Among them are the generated
// event of the token that replaced it, and rejections. It is empty for an id that no
// event names.
func (r *Reader) History(id ulid.ULID, after uint64, limit int) (seqs []uint64, err error) {
	err = r.history(id, after, func(seq uint64, _ bool) bool {
		seqs = append(seqs, seq)
		return limit <= 0 || len(seqs) < limit
	})
	return slices.Clip(seqs), err
}

// Changes is History up to the sequence last without uses and rejections: what the
// record as of last is the fold of.
func (r *Reader) Changes(id ulid.ULID, last uint64) (seqs []uint64, err error) {
	err = r.history(id, 0, func(seq uint64, use bool) bool {
		if seq <= last && !use {
			seqs = append(seqs, seq)
		}
		return seq < last
	})
	return seqs, err
}

// history calls each with the sequences of the events about a token that are above
// after, in order, until it returns false.
func (r *Reader) history(id ulid.ULID, after uint64, each func(seq uint64, use bool) bool) error {
	// The generated event has no row of its own: the record names it. Events may
	// come before it, if they were about a token not yet known.
	created := uint64(0)
	if t, known, err := r.Token(id); err != nil {
		return err
	} else if known && t.CreatedSeq > after {
		created = t.CreatedSeq
	}
	more := true
	err := r.each(historyKey(nil, id, after+1), prefixEnd(idKey(nil, kindHistory, id)), func(key, value []byte) (bool, error) {
		if len(key) != 1+idSize+8 {
			return false, fmt.Errorf("%w: history of token %s", errRow, id)
		}
		seq := binary.BigEndian.Uint64(key[1+idSize:])
		if created != 0 && created < seq {
			more = each(created, false)
			created = 0
		}
		more = more && each(seq, len(value) > 0)
		return more, nil
	})
	if err == nil && created != 0 && more {
		each(created, false)
	}
	return err
}
