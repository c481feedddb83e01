package index

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Rows, by what their keys begin with. A block is named by its last sequence, so that
// to seek a sequence finds the block that it lies in. Sequences are 8 bytes,
// big-endian. The value of a posting row are the sequences.
const (
	kindBlock   = 'b' // last -> the block's size, its first and last time of arrival
	kindPosting = 'p' // dimension, value, last, tenant -> sequences
	kindTenant  = 't' // tenant, last -> sequences
)

func blockKey(b []byte, last uint64) []byte {
	return appendSeq(append(b, kindBlock), last)
}

// postingPrefix begins the keys of all rows of a term.
func postingPrefix(b []byte, t term) []byte {
	return appendPart(append(b, kindPosting, t.dim), t.value)
}

// tenantPrefix begins the keys of all rows of a tenant.
func tenantPrefix(b []byte, tenant string) []byte {
	return appendPart(append(b, kindTenant), tenant)
}

// maxPart is the longest value that stands in a key as it is, in bytes.
const maxPart = 100

// appendPart appends a value so that no other value's key begins with it. A long one
// is replaced by its SHA-256.
func appendPart(b []byte, s string) []byte {
	if len(s) > maxPart {
		sum := sha256.Sum256([]byte(s))
		return append(append(b, 0xff), sum[:]...)
	}
	return append(append(b, byte(len(s))), s...)
}

// prefixEnd is the first key behind all that begin with prefix, whose first byte is
// never 0xff.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}

// block is what the row of a block says.
type block struct {
	first, last uint64
	// Clocks can step back, so the times of arrival are not in order: these are the
	// least and the greatest.
	from, to time.Time
}

func (b *block) append(v []byte) []byte {
	v = binary.AppendUvarint(v, b.last-b.first)
	for _, t := range []time.Time{b.from, b.to} {
		v = binary.AppendVarint(v, t.Unix())
		v = binary.AppendUvarint(v, uint64(t.Nanosecond()))
	}
	return v
}

func parseBlock(last uint64, v []byte) (b block, err error) {
	r := rowReader{v: v}
	n := r.uvarint()
	b = block{first: last - n, last: last, from: r.time(), to: r.time()}
	if r.bad || len(r.v) > 0 || n >= last {
		return block{}, fmt.Errorf("%w: the block up to sequence %d", errRow, last)
	}
	return b, nil
}

// Postings are one of: a run of sequences (asRun), as the distance of the first from
// the block's last, and how many there are; single ones (asList), as that distance,
// and then the distances between them.
const (
	asRun  = 0
	asList = 1
)

// appendPostings appends ascending sequences, of which there is one at least.
func appendPostings(v []byte, last uint64, seqs []uint64) []byte {
	first, n := seqs[0], uint64(len(seqs))
	if seqs[n-1]-first == n-1 {
		v = binary.AppendUvarint(append(v, asRun), last-first)
		return binary.AppendUvarint(v, n)
	}
	v = binary.AppendUvarint(append(v, asList), last-first)
	for i := range seqs[1:] {
		v = binary.AppendUvarint(v, seqs[i+1]-seqs[i])
	}
	return v
}

// parsePostings appends the sequences to dst.
func parsePostings(dst []uint64, last uint64, v []byte) ([]uint64, error) {
	r := rowReader{v: v}
	how := r.byte()
	back := r.uvarint()
	seq := last - back
	bad := r.bad || back >= last
	switch {
	case bad:
	case how == asRun:
		n := r.uvarint()
		if bad = r.bad || len(r.v) > 0 || n == 0 || n-1 > back; !bad {
			for ; n > 0; n-- {
				dst = append(dst, seq)
				seq++
			}
		}
	case how == asList:
		dst = append(dst, seq)
		for len(r.v) > 0 && !bad {
			d := r.uvarint()
			if bad = r.bad || d == 0 || d > last-seq; !bad {
				seq += d
				dst = append(dst, seq)
			}
		}
	default:
		bad = true
	}
	if bad {
		return dst, fmt.Errorf("%w: sequences of the block up to %d", errRow, last)
	}
	return dst, nil
}

// rowReader reads a row; after the first thing that is not there it is bad.
type rowReader struct {
	v   []byte
	bad bool
}

func (r *rowReader) byte() byte {
	if len(r.v) == 0 {
		r.bad = true
		return 0
	}
	b := r.v[0]
	r.v = r.v[1:]
	return b
}

func (r *rowReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.v)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.v = r.v[size:]
	return n
}

func (r *rowReader) time() time.Time {
	sec, size := binary.Varint(r.v)
	if size <= 0 {
		r.bad = true
		return time.Time{}
	}
	r.v = r.v[size:]
	ns := r.uvarint()
	r.bad = r.bad || ns >= 1e9
	return time.Unix(sec, int64(ns)).UTC()
}

func appendSeq(b []byte, seq uint64) []byte { return binary.BigEndian.AppendUint64(b, seq) }
