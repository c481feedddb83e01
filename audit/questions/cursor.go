package questions

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// A cursor is base64url of: its version, 16 bytes of the SHA-256 over the question and
// the position, 8 bytes of that over the question alone, and the position. The sums
// tell damage and a cursor of another question apart from a good one. They are no
// signature: a position allows nothing that the question does not.
//
// A position begins with the moments of the question as they were found for the first
// page: what is recorded meanwhile is on no later page.
const (
	cursorVersion = 1
	cursorSum     = 16
	cursorQuery   = 8
	cursorHeader  = 1 + cursorSum + cursorQuery
)

// question names a question and what it asks, for its cursors.
type question []byte

func newQuestion(name string) question { return append(question("tokenledger ask "), name...) }

func (q *question) string(s string) {
	*q = append(binary.AppendUvarint(*q, uint64(len(s))), s...)
}

func (q *question) scope(s Scope) {
	q.string(s.Tenant)
	*q = append(*q, b2i(s.AllTenants))
}

func (q *question) moment(m Moment) {
	*q = appendMoment(*q, m.Seq, m.Time)
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (q question) cursor(position []byte) string {
	asked := sha256.Sum256(q)
	sum := cursorDigest(asked, position)
	c := append(make([]byte, 0, cursorHeader+len(position)), cursorVersion)
	c = append(append(append(c, sum[:cursorSum]...), asked[:cursorQuery]...), position...)
	return base64.RawURLEncoding.EncodeToString(c)
}

// position gives the position in a cursor, which has so many bytes.
func (q question) position(cursor string, size int) ([]byte, error) {
	c, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(c) < cursorHeader {
		return nil, &CursorError{"is damaged"}
	}
	if c[0] != cursorVersion {
		return nil, &CursorError{"is of another version of the ledger"}
	}
	position := c[cursorHeader:]
	asked := sha256.Sum256(q)
	if string(c[1+cursorSum:cursorHeader]) != string(asked[:cursorQuery]) {
		return nil, &CursorError{"belongs to another question, or is damaged"}
	}
	sum := cursorDigest(asked, position)
	if string(c[1:1+cursorSum]) != string(sum[:cursorSum]) || len(position) != size {
		return nil, &CursorError{"is damaged"}
	}
	return position, nil
}

func cursorDigest(asked [32]byte, position []byte) [32]byte {
	return sha256.Sum256(append(asked[:], position...))
}

const momentSize = 8 + 8 + 4

func appendMoment(b []byte, seq uint64, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

func parseMoment(b []byte) moment {
	return moment{
		seq:   binary.BigEndian.Uint64(b),
		clock: time.Unix(int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint32(b[16:]))).UTC(),
	}
}
