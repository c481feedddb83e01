package tokens

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// errRow says that a stored row is not one.
var errRow = errors.New("stored row is damaged")

func appendUvarint(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime appends seconds and nanoseconds; unlike UnixNano they reach every year
// that RFC 3339 can write.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

func appendUint64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func decodeUint64(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: a number has %d bytes, not 8", errRow, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// rowReader reads a row. After the first thing that is not there it is bad and gives
// zero values. The strings that it gives are parts of s: a whole row costs one
// allocation for all of them.
type rowReader struct {
	s   string
	pos int
	bad bool
}

// end reports whether the row was read to its end, and well.
func (r *rowReader) end(what string) error {
	if r.bad {
		return fmt.Errorf("%w: %s row of %d bytes breaks off or has a bad value near byte %d", errRow, what, len(r.s), r.pos)
	}
	if r.pos != len(r.s) {
		return fmt.Errorf("%w: %s row of %d bytes goes on behind its end at byte %d", errRow, what, len(r.s), r.pos)
	}
	return nil
}

func (r *rowReader) byte() byte {
	if r.bad || r.pos >= len(r.s) {
		r.bad = true
		return 0
	}
	r.pos++
	return r.s[r.pos-1]
}

func (r *rowReader) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		if r.bad {
			return 0
		}
		if shift == 63 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

func (r *rowReader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// take gives the next n bytes.
func (r *rowReader) take(n uint64) string {
	if r.bad || n > uint64(len(r.s)-r.pos) {
		r.bad = true
		return ""
	}
	r.pos += int(n)
	return r.s[r.pos-int(n) : r.pos]
}

func (r *rowReader) string() string { return r.take(r.uvarint()) }

func (r *rowReader) id() (id ulid.ULID) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

func (r *rowReader) time() time.Time {
	sec, ns := r.varint(), r.uvarint()
	if r.bad || ns >= 1e9 {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(sec, int64(ns)).UTC()
}

// count reads how many items follow, each of which has at least one byte.
func (r *rowReader) count() int {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.s)-r.pos) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *rowReader) strings() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	all := make([]string, n)
	for i := range all {
		all[i] = r.string()
	}
	return all
}
