package wire

import (
	"strings"

	"github.com/tokenledger/tokenledger/commands/secret"
)

// BearerOf takes the token out of the value of an Authorization header (RFC 6750). The
// empty secret is none.
func BearerOf(value string) secret.Secret {
	scheme, token, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return secret.Secret{}
	}
	return secret.Of(strings.TrimSpace(token))
}
