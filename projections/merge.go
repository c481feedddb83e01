package projections

import (
	"bytes"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// mergerName is stored by Pebble, which refuses another.
const mergerName = "tokenledger.projections.1"

// mergerOf makes Pebble's one merger of those that the projections bring.
func mergerOf(ps []Projection) *pebble.Merger {
	return &pebble.Merger{
		Name: mergerName,
		Merge: func(key, value []byte) (pebble.ValueMerger, error) {
			return &valueMerger{m: mergingOf(ps, key), acc: bytes.Clone(value)}, nil
		},
	}
}

func mergingOf(ps []Projection, key []byte) Merging {
	name, _, _ := bytes.Cut(key, []byte{0})
	for _, p := range ps {
		if p.Name() == string(name) {
			m, _ := p.(Merging)
			return m
		}
	}
	// Rows of a projection that is no longer registered: they are about to be
	// deleted, so the newest value does.
	return nil
}

type valueMerger struct {
	m          Merging
	acc, spare []byte
}

// MergeNewer implements [pebble.ValueMerger].
func (v *valueMerger) MergeNewer(value []byte) error {
	if v.m == nil {
		v.acc = append(v.acc[:0], value...)
		return nil
	}
	return v.merge(v.acc, value)
}

// MergeOlder implements [pebble.ValueMerger].
func (v *valueMerger) MergeOlder(value []byte) error {
	if v.m == nil {
		return nil
	}
	return v.merge(value, v.acc)
}

func (v *valueMerger) merge(older, newer []byte) error {
	out, err := v.m.MergeValues(v.spare[:0], older, newer)
	if err != nil {
		return err
	}
	v.spare, v.acc = v.acc, out
	return nil
}

// Finish implements [pebble.ValueMerger].
func (v *valueMerger) Finish(bool) ([]byte, io.Closer, error) { return v.acc, nil, nil }
