package projections

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// The store's own rows lie under the byte 0, before every projection's key space,
// which is the projection's name and a byte 0.
const (
	layoutKey   = "\x00layout"
	evidenceKey = "\x00evidence"
	atPrefix    = "\x00at/" // and the projection's name
	atEnd       = "\x00at0"
)

// layoutVersion is the version of these rows and of the key spaces.
const layoutVersion = 1

func spaceOf(name string) (lower, upper []byte) {
	return append([]byte(name), 0), append([]byte(name), 1)
}

// at is what the store knows of a projection.
type at struct {
	version uint32
	seq     uint64 // the last event applied
	unknown uint64 // events of a type that the projection does not know
}

func (a at) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, a.version)
	b = binary.BigEndian.AppendUint64(b, a.seq)
	return binary.BigEndian.AppendUint64(b, a.unknown)
}

func decodeAt(b []byte) (at, error) {
	if len(b) != 20 {
		return at{}, fmt.Errorf("position row has %d bytes, not 20", len(b))
	}
	return at{
		version: binary.BigEndian.Uint32(b),
		seq:     binary.BigEndian.Uint64(b[4:]),
		unknown: binary.BigEndian.Uint64(b[12:]),
	}, nil
}

// Position is the highest event that was ever applied, and what it was.
type Position struct {
	// Seq is 0 while nothing was applied.
	Seq uint64
	// Hash is the SHA-256 of the event's bytes as published.
	Hash [32]byte
}

func (p Position) encode() []byte {
	return append(binary.BigEndian.AppendUint64(nil, p.Seq), p.Hash[:]...)
}

func decodePosition(b []byte) (p Position, err error) {
	if len(b) != 8+len(p.Hash) {
		return p, fmt.Errorf("evidence row has %d bytes, not %d", len(b), 8+len(p.Hash))
	}
	p.Seq = binary.BigEndian.Uint64(b)
	copy(p.Hash[:], b[8:])
	return p, nil
}

// getRow gives a copy of a row, nil where there is none.
func getRow(db pebble.Reader, key string) ([]byte, error) {
	v, c, err := db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append([]byte{}, v...), c.Close()
}

// storedAt gives what is stored of every projection that ever was.
func storedAt(db pebble.Reader) (map[string]at, error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(atPrefix), UpperBound: []byte(atEnd)})
	if err != nil {
		return nil, err
	}
	all := make(map[string]at)
	for it.First(); it.Valid(); it.Next() {
		a, err := decodeAt(it.Value())
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		all[string(it.Key()[len(atPrefix):])] = a
	}
	return all, it.Close()
}

// checkStored reports why the rows in db are not for this code.
func checkStored(db *pebble.DB, dir string, ps []Projection) error {
	wrap := func(err error) error { return fmt.Errorf("open projections store in %s: %w", dir, err) }
	layout, err := getRow(db, layoutKey)
	if err != nil {
		return wrap(err)
	}
	if layout == nil {
		it, err := db.NewIter(nil)
		if err != nil {
			return wrap(err)
		}
		foreign := it.First()
		if err := it.Close(); err != nil {
			return wrap(err)
		}
		if foreign {
			return &ForeignError{Dir: dir}
		}
		return nil // made, and then stopped before its first row
	}
	if len(layout) != 4 {
		return &ForeignError{Dir: dir}
	}
	if v := binary.BigEndian.Uint32(layout); v > layoutVersion {
		return &NewerError{Dir: dir, What: "layout", Stored: v, Known: layoutVersion}
	}
	stored, err := storedAt(db)
	if err != nil {
		return wrap(err)
	}
	for _, p := range ps {
		if a, ok := stored[p.Name()]; ok && a.version > p.Version() {
			return &NewerError{Dir: dir, What: fmt.Sprintf("projection %q", p.Name()), Stored: a.version, Known: p.Version()}
		}
	}
	return nil
}
