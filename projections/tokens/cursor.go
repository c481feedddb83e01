package tokens

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// CursorError says that a cursor is not one that this query gave.
type CursorError struct{ Problem string }

func (e *CursorError) Error() string {
	return fmt.Sprintf("list tokens: the cursor %s; use next_cursor as it was given, with the same filters, or begin without one", e.Problem)
}

// A cursor is base64url of: its version, 16 bytes of the SHA-256 over the query's
// filters and the cursor's position, 8 bytes of that over the filters alone, and the
// position of the last row that was looked at. The sums tell damage and a cursor of
// another query apart from a good one. They are no signature: a position reveals
// nothing and allows nothing that the query does not.
const (
	cursorVersion = 1
	cursorSum     = 16
	cursorQuery   = 8
	cursorHeader  = 1 + cursorSum + cursorQuery
)

func (q *Query) cursor(position []byte) string {
	c := make([]byte, cursorHeader, cursorHeader+len(position))
	filters := q.fingerprint()
	sum := cursorDigest(filters, position)
	c[0] = cursorVersion
	copy(c[1:], sum[:cursorSum])
	copy(c[1+cursorSum:], filters[:cursorQuery])
	return base64.RawURLEncoding.EncodeToString(append(c, position...))
}

// position gives the position in the query's cursor, nil where it has none.
func (q *Query) position(size int) ([]byte, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	c, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	if err != nil || len(c) < cursorHeader {
		return nil, &CursorError{"is damaged"}
	}
	if c[0] != cursorVersion {
		return nil, &CursorError{"is of another version of the ledger"}
	}
	position := c[cursorHeader:]
	filters := q.fingerprint()
	if string(c[1+cursorSum:cursorHeader]) != string(filters[:cursorQuery]) {
		return nil, &CursorError{"belongs to a query with other filters, or is damaged"}
	}
	sum := cursorDigest(filters, position)
	if string(c[1:1+cursorSum]) != string(sum[:cursorSum]) || len(position) != size {
		return nil, &CursorError{"is damaged"}
	}
	return position, nil
}

func cursorDigest(filters [32]byte, position []byte) [32]byte {
	return sha256.Sum256(append(filters[:], position...))
}

// fingerprint is over what decides which tokens are listed, and in which order; not
// over Now, which moves on from page to page.
func (q *Query) fingerprint() [32]byte {
	b := []byte("tokenledger list tokens 1\n")
	for _, s := range []string{q.Tenant, q.Site, q.Owner, q.Name, string(q.Status), q.Scope} {
		b = appendString(b, s)
	}
	for _, t := range []time.Time{q.UnusedSince, q.ExpiresBefore} {
		b = appendSortableTime(b, t)
	}
	if q.AllTenants {
		b = append(b, 1)
	}
	return sha256.Sum256(binary.BigEndian.AppendUint32(b, cursorVersion))
}
