package events

import (
	"errors"

	"github.com/oklog/ulid/v2"
)

// ErrID says that a string is no id of the ledger.
var ErrID = errors.New("is not an id: 26 characters of 0-9A-HJKMNP-TV-Z")

// ParseID reads a ULID in its one canonical form: upper case, no overflow. The
// ULID specification (https://github.com/ulid/spec) also admits lower case; the
// ledger does not, so that an id has one spelling in logs, URLs and tokens.
func ParseID[S ~string | ~[]byte](s S) (id ulid.ULID, err error) {
	if len(s) != ulid.EncodedSize {
		return id, ErrID
	}
	for i := range len(s) {
		if 'a' <= s[i] && s[i] <= 'z' {
			return id, ErrID
		}
	}
	if id, err = ulid.ParseStrict(string(s)); err != nil {
		return ulid.ULID{}, ErrID
	}
	return id, nil
}
