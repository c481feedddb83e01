package layout

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// MaxLeaf bounds a leaf, in bytes: an entry bundle has two bytes for its length.
const MaxLeaf = 1<<16 - 1

// timeFormat is RFC 3339 in UTC with nine digits of a second's fraction, always.
const timeFormat = "2006-01-02T15:04:05.000000000Z"

// The constant parts of a leaf.
const (
	leafSeq      = `{"seq":`
	leafReceived = `,"received":"`
	leafSubject  = `","subject":"`
	leafEvent    = `","event":`
	leafEnd      = '}'
)

// Leaf is what a leaf of the tree says.
type Leaf struct {
	// Seq is the stream sequence: the leaf's index plus one.
	Seq uint64
	// Received is the broker's time of arrival.
	Received time.Time
	// Subject is the NATS subject.
	Subject string
	// Event is the payload as published.
	Event []byte
}

// AppendLeaf appends the leaf's bytes to b:
//
//	{"seq":N,"received":"<RFC 3339, nanoseconds, Z>","subject":"…","event":<payload>}
//
// It refuses what [ParseLeaf] would not read back.
func AppendLeaf(b []byte, l Leaf) ([]byte, error) {
	start := len(b)
	if !plainSubject(l.Subject) {
		return b, fmt.Errorf("the subject %q has characters that no event's subject has", l.Subject)
	}
	if y := l.Received.UTC().Year(); y < 1970 || y > 9999 {
		return b, fmt.Errorf("the time of arrival %s is out of range", l.Received)
	}
	b = append(b, leafSeq...)
	b = strconv.AppendUint(b, l.Seq, 10)
	b = append(b, leafReceived...)
	b = l.Received.UTC().AppendFormat(b, timeFormat)
	b = append(b, leafSubject...)
	b = append(b, l.Subject...)
	b = append(b, leafEvent...)
	b = append(b, l.Event...)
	b = append(b, leafEnd)
	if n := len(b) - start; n > MaxLeaf {
		return b[:start], fmt.Errorf("%d bytes are more than the %d that an entry of the log may have", n, MaxLeaf)
	}
	return b, nil
}

// plainSubject reports whether s stands in a JSON string as it is.
func plainSubject(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

var errLeaf = errors.New(`it is not of the form {"seq":…,"received":"…","subject":"…","event":…}`)

// ParseLeaf reads a leaf, and accepts no other bytes than [AppendLeaf] would write.
// The event is a part of b, and is not looked at.
func ParseLeaf(b []byte) (Leaf, error) {
	l, subject, err := parseLeaf(b)
	l.Subject = string(subject)
	return l, err
}

// LeafSeq gives the sequence of what [ParseLeaf] accepts. It allocates nothing.
func LeafSeq(b []byte) (uint64, error) {
	l, _, err := parseLeaf(b)
	return l.Seq, err
}

// parseLeaf is ParseLeaf but for the subject, which it gives as a part of b.
func parseLeaf(b []byte) (l Leaf, subject []byte, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(leafSeq))
	digits := 0
	for ; ok && digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9'; digits++ {
	}
	if !ok || digits == 0 || digits > 20 || rest[0] == '0' {
		return l, nil, errLeaf
	}
	if l.Seq, err = strconv.ParseUint(string(rest[:digits]), 10, 64); err != nil {
		return l, nil, errLeaf
	}
	if rest, ok = bytes.CutPrefix(rest[digits:], []byte(leafReceived)); !ok || len(rest) < len(timeFormat) {
		return l, nil, errLeaf
	}
	l.Received, err = time.Parse(timeFormat, string(rest[:len(timeFormat)]))
	// Parse takes a comma for the point, too.
	if err != nil || l.Received.Year() < 1970 || rest[len("2006-01-02T15:04:05")] != '.' {
		return l, nil, errLeaf
	}
	if rest, ok = bytes.CutPrefix(rest[len(timeFormat):], []byte(leafSubject)); !ok {
		return l, nil, errLeaf
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 || !plainSubject(string(rest[:end])) {
		return l, nil, errLeaf
	}
	subject = rest[:end]
	if rest, ok = bytes.CutPrefix(rest[end:], []byte(leafEvent)); !ok || len(rest) < 2 || rest[len(rest)-1] != leafEnd {
		return l, nil, errLeaf
	}
	l.Event = rest[: len(rest)-1 : len(rest)-1]
	return l, subject, nil
}
