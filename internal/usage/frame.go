package usage

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
)

// A segment is a header and then frames, one for each write:
//
//	header: "TLUJ" | version | length of the body, uint16 | body | CRC-32C of all before
//	body:   8 random bytes | position of the first entry, uint64 |
//	        position of the first entry of the window then open, uint64 | node | boot id
//	frame:  "UJf1" | length of the payload, uint32 | CRC-32C of random bytes, length and payload | payload
//	uses:   1 | position of the first entry | synced | number of entries | base time | entries
//	marker: 2 | position of the marker | synced
//
// Fixed-size numbers are little-endian, all others varints. "synced" says that
// all entries up to that position were known to be on the disk. The entries are
// those of commands.UseWindow.AppendEntry and have consecutive positions; a marker
// takes a position too, so that one that is missing shows.
const (
	headerMagic   = "TLUJ"
	formatVersion = 1
	headerFixed   = len(headerMagic) + 1 + 2
	nonceSize     = 8

	frameMagic  = "UJf1"
	frameHeader = len(frameMagic) + 4 + 4
	// maxPayload bounds a frame. Callers are gathered up to groupBytes; one
	// caller with many uses may exceed that.
	maxPayload = 16 << 20

	frameUses   = 1
	frameMarker = 2
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// header is the beginning of a segment.
type header struct {
	nonce [nonceSize]byte
	first uint64
	// window is where the window began that was open when the segment was begun.
	window uint64
	node   string
	boot   string
}

func newHeader(first, window uint64, node, boot string) header {
	h := header{first: first, window: window, node: node, boot: boot}
	_, _ = rand.Read(h.nonce[:]) // it never fails
	return h
}

// seed is what the checksums of the segment's frames begin with.
func (h *header) seed() uint32 { return crc32.Checksum(h.nonce[:], castagnoli()) }

func (h *header) append(dst []byte) []byte {
	body := append([]byte(nil), h.nonce[:]...)
	body = binary.LittleEndian.AppendUint64(body, h.first)
	body = binary.LittleEndian.AppendUint64(body, h.window)
	body = appendText(body, h.node)
	body = appendText(body, h.boot)
	start := len(dst)
	dst = append(dst, headerMagic...)
	dst = append(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(body)))
	dst = append(dst, body...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli()))
}

// parseHeader gives the header at the front of b and its size; ok is false if
// there is none. For another version of the format, only version is set.
func parseHeader(b []byte) (h header, size int, version byte, ok bool) {
	if len(b) < headerFixed || string(b[:len(headerMagic)]) != headerMagic {
		return h, 0, 0, false
	}
	if version = b[len(headerMagic)]; version != formatVersion {
		return h, 0, version, false
	}
	end := headerFixed + int(binary.LittleEndian.Uint16(b[headerFixed-2:]))
	if len(b) < end+4 || crc32.Checksum(b[:end], castagnoli()) != binary.LittleEndian.Uint32(b[end:]) {
		return h, 0, version, false
	}
	body := b[headerFixed:end]
	if len(body) < nonceSize+16 {
		return h, 0, version, false
	}
	body = body[copy(h.nonce[:], body):]
	h.first, body = binary.LittleEndian.Uint64(body), body[8:]
	h.window, body = binary.LittleEndian.Uint64(body), body[8:]
	if h.node, body, ok = cutText(body); ok {
		h.boot, _, ok = cutText(body)
	}
	return h, end + 4, version, ok
}

// frame is a frame's payload, parsed as far as the journal needs it.
type frame struct {
	kind   byte
	first  uint64 // position of the first entry, or of the marker
	synced uint64
	count  uint64 // entries; 1 for a marker
	base   int64  // Unix milliseconds
	body   []byte // the entries
}

// after is the position that follows the frame's last.
func (f *frame) after() uint64 { return f.first + f.count }

// beginFrame appends room for the frame's header; endFrame fills it in.
func beginFrame(dst []byte) []byte {
	return append(dst, make([]byte, frameHeader)...)
}

func appendUses(dst []byte, first, synced, count uint64, base int64) []byte {
	dst = append(dst, frameUses)
	dst = binary.AppendUvarint(dst, first)
	dst = binary.AppendUvarint(dst, synced)
	dst = binary.AppendUvarint(dst, count)
	return binary.AppendVarint(dst, base)
}

func appendMarker(dst []byte, at, synced uint64) []byte {
	dst = append(dst, frameMarker)
	dst = binary.AppendUvarint(dst, at)
	return binary.AppendUvarint(dst, synced)
}

// endFrame completes a frame for the segment with the given seed. The frame is
// the whole of b.
func endFrame(b []byte, seed uint32) {
	copy(b, frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHeader))
	binary.LittleEndian.PutUint32(b[8:], frameSum(b, seed))
}

func frameSum(b []byte, seed uint32) uint32 {
	table := castagnoli()
	return crc32.Update(crc32.Update(seed, table, b[4:8]), table, b[frameHeader:])
}

// parseFrame reads the frame at the front of b; ok is false if none stands there
// in whole.
func parseFrame(b []byte, seed uint32) (f frame, size int, ok bool) {
	if len(b) < frameHeader || string(b[:len(frameMagic)]) != frameMagic {
		return f, 0, false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n == 0 || n > maxPayload || int(n) > len(b)-frameHeader {
		return f, 0, false
	}
	size = frameHeader + int(n)
	if frameSum(b[:size], seed) != binary.LittleEndian.Uint32(b[8:]) {
		return f, 0, false
	}
	p := b[frameHeader:size]
	f.kind, p = p[0], p[1:]
	if f.first, p, ok = cutUvarint(p); !ok {
		return f, 0, false
	}
	if f.synced, p, ok = cutUvarint(p); !ok {
		return f, 0, false
	}
	f.count = 1
	switch f.kind {
	case frameMarker:
		return f, size, len(p) == 0
	case frameUses:
		if f.count, p, ok = cutUvarint(p); !ok || f.count == 0 {
			return f, 0, false
		}
		base, used := binary.Varint(p)
		if used <= 0 {
			return f, 0, false
		}
		f.base, f.body = base, p[used:]
		return f, size, true
	}
	return f, 0, false
}

// nextFrame finds the first whole frame at or behind from; ok is false if there
// is none.
func nextFrame(b []byte, from int, seed uint32) (f frame, at, size int, ok bool) {
	for from < len(b) {
		i := bytes.Index(b[from:], []byte(frameMagic))
		if i < 0 {
			break
		}
		from += i
		if f, size, ok = parseFrame(b[from:], seed); ok {
			return f, from, size, true
		}
		from++
	}
	return f, 0, 0, false
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutText(b []byte) (s string, tail []byte, ok bool) {
	n, b, ok := cutUvarint(b)
	if !ok || n > uint64(len(b)) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}

func cutUvarint(b []byte) (v uint64, tail []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
