package events

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// reader reads the JSON of one event in a single pass, without reflection. It is
// stricter than encoding/json: a field that stands twice and a string that is
// not UTF-8 are errors, so that no two readers of the log can take an event
// differently.
type reader struct {
	buf   []byte
	pos   int
	depth int
	names *names
}

// maxDepth bounds how deep values nest. Events of the ledger nest three deep.
const maxDepth = 64

// maxFields bounds the fields of one object: each is held against all before it.
const maxFields = 256

func (r *reader) space() {
	for r.pos < len(r.buf) {
		switch r.buf[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek gives the next byte that is no white space, or 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.pos == len(r.buf) {
		return 0
	}
	return r.buf[r.pos]
}

// take steps over c and reports whether it stood there.
func (r *reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

// end reports anything but white space after the event.
func (r *reader) end() error {
	if r.peek(); r.pos != len(r.buf) {
		return invalid("is followed by more input at byte %d", r.pos)
	}
	return nil
}

// object reads an object and calls field with each key; field must read the
// value. Errors from field are given the key's name.
func (r *reader) object(field func(key []byte) error) error {
	if !r.take('{') {
		return invalid("is not a JSON object (byte %d)", r.pos)
	}
	if r.depth++; r.depth > maxDepth {
		return invalid("nests deeper than %d", maxDepth)
	}
	defer func() { r.depth-- }()
	if r.take('}') {
		return nil
	}
	var seenArray [16][]byte
	seen := seenArray[:0]
	for {
		key, err := r.bytes()
		if err != nil {
			return err
		}
		for _, s := range seen {
			if bytes.Equal(s, key) {
				return &FieldError{Field: string(key), Problem: "stands twice"}
			}
		}
		if len(seen) == maxFields {
			return invalid("has more than %d fields", maxFields)
		}
		seen = append(seen, key)
		if !r.take(':') {
			return &FieldError{Field: string(key), Problem: "has no value"}
		}
		if err := field(key); err != nil {
			return within(string(key), err)
		}
		if r.take('}') {
			return nil
		}
		if !r.take(',') {
			return invalid("is broken at byte %d: expected a comma or a closing brace", r.pos)
		}
	}
}

// array reads an array and calls item before each of its values.
func (r *reader) array(item func(i int) error) error {
	if !r.take('[') {
		return invalid("is not an array")
	}
	if r.depth++; r.depth > maxDepth {
		return invalid("nests deeper than %d", maxDepth)
	}
	defer func() { r.depth-- }()
	if r.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := item(i); err != nil {
			return within(strconv.Itoa(i), err)
		}
		if r.take(']') {
			return nil
		}
		if !r.take(',') {
			return invalid("is broken at byte %d: expected a comma or a closing bracket", r.pos)
		}
	}
}

// bytes reads a string. The result is a part of the input unless the string has
// escapes.
func (r *reader) bytes() ([]byte, error) {
	if r.peek() != '"' {
		return nil, invalid("is not a string")
	}
	start := r.pos
	ascii, plain := true, true
	for i := start + 1; i < len(r.buf); i++ {
		i += ordinary(r.buf[i:])
		if i == len(r.buf) {
			break
		}
		switch c := r.buf[i]; {
		case c == '"':
			r.pos = i + 1
			s := r.buf[start+1 : i]
			if !ascii && !utf8.Valid(s) {
				return nil, invalid("is not UTF-8")
			}
			if plain {
				return s, nil
			}
			return unescape(r.buf[start : i+1])
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, invalid("has a control character that is not escaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, invalid("is a string without an end")
}

// ordinary gives how many bytes b begins with that mean themselves in a string: ASCII, and
// neither a quote, a backslash nor a control character. It looks at eight at once, and at
// the last few not at all. Looking at each byte by itself took a fifth of the time to
// decode an event.
//
// The tests for a byte in a word are those of "Bit Twiddling Hacks" (Sean Eron
// Anderson, Stanford); what they may find above the first true byte does not matter.
func ordinary(b []byte) (n int) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, backslash := w^('"'*ones), w^('\\'*ones)
		special := ((w-' '*ones)&^w | (quote-ones)&^quote | (backslash-ones)&^backslash | w) & highs
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	return n
}

// unescape reads a quoted string that has escapes, which few have.
func unescape(quoted []byte) ([]byte, error) {
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, invalid("is not a JSON string")
	}
	return []byte(s), nil
}

func (r *reader) string() (string, error) {
	b, err := r.bytes()
	return string(b), err
}

// name reads a string that is likely to come again.
func (r *reader) name() (string, error) {
	b, err := r.bytes()
	if err != nil {
		return "", err
	}
	return r.names.get(b), nil
}

func (r *reader) text(v encoding.TextUnmarshaler) error {
	b, err := r.bytes()
	if err != nil {
		return err
	}
	if err := v.UnmarshalText(b); err != nil {
		return invalid("is wrong: %v", err)
	}
	return nil
}

func (r *reader) ulid() (id ulid.ULID, err error) {
	b, err := r.bytes()
	if err != nil {
		return id, err
	}
	id, err = ParseID(b)
	if err != nil {
		return id, invalid("%v", err)
	}
	return id, nil
}

// time reads an RFC 3339 time and gives it in UTC.
func (r *reader) time() (time.Time, error) {
	b, err := r.bytes()
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return time.Time{}, invalid("is not an RFC 3339 time")
	}
	return t.UTC(), nil
}

func (r *reader) uint() (uint64, error) {
	r.space()
	start, n := r.pos, uint64(0)
	for ; r.pos < len(r.buf); r.pos++ {
		c := r.buf[r.pos] - '0'
		if c > 9 {
			break
		}
		if n > (math.MaxUint64-uint64(c))/10 {
			return 0, invalid("is too large")
		}
		n = n*10 + uint64(c)
	}
	if r.pos == start || (r.buf[start] == '0' && r.pos > start+1) {
		return 0, invalid("is not a whole number")
	}
	return n, nil
}

func (r *reader) bool() (bool, error) {
	raw, err := r.raw()
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid("is not true or false")
}

func (r *reader) strings() ([]string, error) {
	var all []string
	err := r.array(func(int) error {
		s, err := r.name()
		all = append(all, s)
		return err
	})
	return all, err
}

func (r *reader) stringMap() (map[string]string, error) {
	var m map[string]string
	err := r.object(func(key []byte) error {
		s, err := r.name()
		if m == nil {
			m = make(map[string]string)
		}
		m[r.names.get(key)] = s
		return err
	})
	return m, err
}

// fieldOrSkip decodes a field of about, or passes over one that nobody knows.
func (r *reader) fieldOrSkip(about *About, key []byte) error {
	known, err := about.field(r, key)
	if !known {
		return r.skip()
	}
	return err
}

func (r *reader) skip() error {
	_, err := r.raw()
	return err
}

// raw reads any value and gives its bytes, a part of the input.
func (r *reader) raw() ([]byte, error) {
	c := r.peek()
	start := r.pos
	var err error
	switch c {
	case '{':
		err = r.object(func([]byte) error { return r.skip() })
	case '[':
		err = r.array(func(int) error { return r.skip() })
	case '"':
		_, err = r.bytes()
	default:
		for r.pos < len(r.buf) && !bytes.ContainsRune([]byte(" \t\r\n,]}:{[\""), rune(r.buf[r.pos])) {
			r.pos++
		}
		if !json.Valid(r.buf[start:r.pos]) {
			err = invalid("is not JSON (byte %d)", start)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.buf[start:r.pos], nil
}
