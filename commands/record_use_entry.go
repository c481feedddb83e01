package commands

import (
	"encoding/binary"
	"errors"
	"hash/maphash"

	"github.com/oklog/ulid/v2"
)

// EncodedUse is a use in the form in which it is compared and journaled. Encoding
// is apart from adding so that many callers can do it at once, outside of the
// lock around the window. The zero value is ready for [EncodedUse.Set].
//
// It has two parts: the context (tenant, reason, actor, user agent, scopes), which
// many keys share and a window keeps once, and the rest (token, IP, site,
// resource).
type EncodedUse struct {
	at                int64 // Unix milliseconds
	buf               []byte
	split             int
	ctxHash, restHash uint64
	// Where the window that was asked last has them; notFound if it has not.
	ctx, key uint32
}

func (e *EncodedUse) context() []byte { return e.buf[:e.split] }
func (e *EncodedUse) rest() []byte    { return e.buf[e.split:] }

// Size is the number of bytes that an entry of e takes at most.
func (e *EncodedUse) Size() int { return len(e.buf) + 1 + 4*binary.MaxVarintLen64 }

// At is the time of the use, in Unix milliseconds.
func (e *EncodedUse) At() int64 { return e.at }

// Set encodes u in place of what e held. The error is a [*UseError].
func (e *EncodedUse) Set(seed maphash.Seed, u *Use) error {
	if err := u.check(); err != nil {
		return err
	}
	b := e.buf[:0]
	b = appendText(b, u.Tenant)
	b = appendText(b, u.Reason)
	b = appendText(b, u.Actor.Type)
	b = appendText(b, u.Actor.ID)
	b = appendText(b, u.Actor.Name)
	b = append(b, u.Actor.TokenID[:]...)
	b = appendText(b, u.UserAgent)
	b = binary.AppendUvarint(b, uint64(len(u.Scopes)))
	for _, s := range u.Scopes {
		b = appendText(b, s)
	}
	e.split = len(b)
	b = append(b, u.TokenID[:]...)
	b = appendText(b, u.IP)
	b = appendText(b, u.Site)
	b = appendText(b, u.Resource)
	if len(b) > MaxUseSize {
		e.buf = e.buf[:0:0]
		return &UseError{"as a whole", "is larger than a use may be (10 KiB)"}
	}
	e.buf = b
	e.at = u.At.UnixMilli()
	e.ctxHash = maphash.Bytes(seed, e.context())
	e.restHash = maphash.Bytes(seed, e.rest())
	e.ctx, e.key = notFound, notFound
	return nil
}

// keyHash is the hash of a key that consists of the rest with that hash and a
// context's number. The factor is 2^64 over the golden ratio: it spreads small
// numbers over all bits.
func keyHash(restHash uint64, ctx uint32) uint64 {
	h := restHash ^ uint64(ctx)*0x9e3779b97f4a7c15
	return h ^ h>>32
}

// An entry begins with one of these, then the time as a signed difference from a
// base. A key or a context that the window has already is named by its number:
// in a storm a use takes about 5 bytes of the journal instead of 200.
const (
	entryKnown      = 0 // number of the key
	entryNewKey     = 1 // number of the context; length and bytes of the rest
	entryNewContext = 2 // lengths and bytes of the context and the rest
)

// AppendEntry appends e to dst as [UseWindow.ReadEntry] reads it, with its time
// relative to base (Unix milliseconds). The entry refers to what was added to the
// window before, so it can be read only by a window that read all entries of this
// one, in order. The use is not yet counted: for that, call
// [UseWindow.AddEncoded] once the entry is written.
func (w *UseWindow) AppendEntry(dst []byte, base int64, e *EncodedUse) []byte {
	w.find(e)
	switch {
	case e.key != notFound:
		dst = append(dst, entryKnown)
		dst = binary.AppendVarint(dst, e.at-base)
		return binary.AppendUvarint(dst, uint64(e.key))
	case e.ctx != notFound:
		dst = append(dst, entryNewKey)
		dst = binary.AppendVarint(dst, e.at-base)
		dst = binary.AppendUvarint(dst, uint64(e.ctx))
	default:
		dst = append(dst, entryNewContext)
		dst = binary.AppendVarint(dst, e.at-base)
		dst = appendBytes(dst, e.context())
	}
	return appendBytes(dst, e.rest())
}

var errEntry = errors.New("is not an entry that this build reads")

// ReadEntry reads one entry from the front of b, counts its use at pos, and gives
// what follows it in b. After an error the window is of no further use.
func (w *UseWindow) ReadEntry(pos uint64, base int64, b []byte) (tail []byte, err error) {
	if len(b) == 0 {
		return nil, errEntry
	}
	kind := b[0]
	diff, n := binary.Varint(b[1:])
	if n <= 0 {
		return nil, errEntry
	}
	at := base + diff
	if at < minUseMillis || at > maxUseMillis {
		return nil, errEntry
	}
	b = b[1+n:]
	if kind == entryKnown {
		key, n := binary.Uvarint(b)
		if n <= 0 || key >= uint64(w.keys.n) {
			return nil, errEntry
		}
		w.count(uint32(key), pos, at)
		return b[n:], nil
	}

	var (
		ctx     uint32
		u       Use
		context []byte
		rest    []byte
		ok      bool
	)
	switch kind {
	case entryNewKey:
		number, n := binary.Uvarint(b)
		if n <= 0 || number >= uint64(w.contexts.n) {
			return nil, errEntry
		}
		ctx, b = uint32(number), b[n:]
	case entryNewContext:
		if context, b, ok = cutBytes(b); !ok || len(context) > MaxUseSize || u.decodeContext(context) != nil {
			return nil, errEntry
		}
		ctx = w.contexts.findOrAdd(maphash.Bytes(w.seed, context), 0, context)
	default:
		return nil, errEntry
	}
	if rest, b, ok = cutBytes(b); !ok || len(rest) > MaxUseSize || u.decodeRest(rest) != nil {
		return nil, errEntry
	}
	w.count(w.keys.findOrAdd(keyHash(maphash.Bytes(w.seed, rest), ctx), ctx, rest), pos, at)
	return b, nil
}

// decodeContext sets those fields of u that its context holds.
func (u *Use) decodeContext(b []byte) error {
	d := useDecoder{b: b}
	u.Tenant = d.text()
	u.Reason = d.text()
	u.Actor.Type = d.text()
	u.Actor.ID = d.text()
	u.Actor.Name = d.text()
	u.Actor.TokenID = d.id()
	u.UserAgent = d.text()
	n := d.number()
	if n > uint64(len(d.b)) { // each takes a byte at least
		return errEntry
	}
	if n > 0 {
		u.Scopes = make([]string, n)
	}
	for i := range u.Scopes {
		u.Scopes[i] = d.text()
	}
	return d.end()
}

// decodeRest sets the other fields, save for the time.
func (u *Use) decodeRest(b []byte) error {
	d := useDecoder{b: b}
	u.TokenID = d.id()
	u.IP = d.text()
	u.Site = d.text()
	u.Resource = d.text()
	return d.end()
}

// useDecoder reads the parts of an encoded use; what is read after the first
// failure is zero.
type useDecoder struct {
	b   []byte
	bad bool
}

func (d *useDecoder) text() string {
	s, tail, ok := cutBytes(d.b)
	if !ok {
		d.bad = true
		return ""
	}
	d.b = tail
	return string(s)
}

func (d *useDecoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *useDecoder) id() (id ulid.ULID) {
	if len(d.b) < len(id) {
		d.bad = true
		return id
	}
	d.b = d.b[copy(id[:], d.b):]
	return id
}

func (d *useDecoder) end() error {
	if d.bad || len(d.b) > 0 {
		return errEntry
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutBytes takes a length and that many bytes from the front of b.
func cutBytes(b []byte) (s, tail []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(v)
	return b[n:end], b[end:], true
}
