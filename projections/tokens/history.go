package tokens

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/projections"
)

// History gives the sequences of the events about a token that are above after, in
// order, at most limit of them (all for limit <= 0). Among them are the generated
// event of the token that replaced it, rejections, and questions to the audit log. It
// is empty for an id that no event names.
func (r *Reader) History(id ulid.ULID, after uint64, limit int) ([]uint64, error) {
	return r.history(id, after, math.MaxUint64, limit, kindChange, kindMention)
}

// Changes is History up to the sequence last without what changes nothing: what the
// record as of last is the fold of. However often the token was used, it costs what
// it gives.
func (r *Reader) Changes(id ulid.ULID, last uint64) ([]uint64, error) {
	return r.history(id, 0, last, 0, kindChange)
}

// history gives the sequences above after, up to last, that a token has rows of these
// kinds for, and that of the generated event.
func (r *Reader) history(id ulid.ULID, after, last uint64, limit int, kinds ...byte) (seqs []uint64, err error) {
	if after >= last {
		return nil, nil
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	// One iterator for all: rows of two moments would make a history with a gap.
	it, err := v.Iter([]byte{kindChange}, []byte{kindToken + 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for _, kind := range kinds {
		if seqs, err = sequences(seqs, it, idKey(nil, kind, id), after, last, limit); err != nil {
			return nil, fmt.Errorf("history of token %s: %w", id, err)
		}
	}
	created, err := createdIn(it, id)
	if err != nil {
		return nil, err
	}
	// Events may come before the generated one: they were about a token not yet known.
	if after < created && created <= last {
		seqs = append(seqs, created)
	}
	slices.Sort(seqs)
	if limit > 0 && len(seqs) > limit {
		seqs = seqs[:limit]
	}
	return slices.Clip(seqs), nil
}

// sequences appends those of the rows with this prefix that are above after, up to last:
// at most limit of them, or all for limit <= 0.
func sequences(seqs []uint64, it *projections.Iter, prefix []byte, after, last uint64, limit int) ([]uint64, error) {
	n := 0
	for ok := it.SeekGE(binary.BigEndian.AppendUint64(prefix, after+1)); ok && (limit <= 0 || n < limit); ok = it.Next() {
		key := it.Key()
		if !bytes.HasPrefix(key, prefix) {
			break
		}
		if len(key) != len(prefix)+8 {
			return nil, errRow
		}
		seq := binary.BigEndian.Uint64(key[len(prefix):])
		if seq > last {
			break
		}
		seqs = append(seqs, seq)
		n++
	}
	return seqs, nil
}

// createdIn gives the sequence of a token's generated event, 0 for one without a record.
func createdIn(it *projections.Iter, id ulid.ULID) (uint64, error) {
	key := idKey(nil, kindToken, id)
	if !it.SeekGE(key) || !bytes.Equal(it.Key(), key) {
		return 0, nil
	}
	row, err := it.Value()
	if err != nil {
		return 0, err
	}
	var g Glance
	err = g.decode(id, string(row))
	return g.CreatedSeq, err
}
