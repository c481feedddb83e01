package wire

import (
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
)

// RequestID takes the caller's own id of a request, if it is harmless and no token, or
// makes one.
func RequestID(id string) string {
	harmless := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)
	}
	if id != "" && len(id) <= 64 && !secret.Within(id) && !strings.ContainsFunc(id, func(c rune) bool { return !harmless(c) }) {
		return id
	}
	return ulid.Make().String()
}
