package client

import (
	"fmt"
	"log/slog"
	"regexp"
)

// Secret is a token string that shows itself to nobody but [Secret.Reveal]:
// formatted, logged or marshalled it reads "[secret]", and "" when it is empty.
// The zero value is no token.
//
// The string sits in a closure and not in a field, because package fmt reaches
// around the methods of a value that lies in somebody's unexported field.
type Secret struct{ reveal func() string }

// NewSecret takes a token string as it is. An empty one gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// Reveal gives the token string, "" where there is none.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no token.
func (s Secret) IsZero() bool { return s.reveal == nil }

// redacted is what shows in a token's place.
const redacted = "[secret]"

// String implements [fmt.Stringer].
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format implements [fmt.Formatter], for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// tokenPattern is the token's form, whatever its prefix and wherever it stands, also
// where it was copied short.
var tokenPattern = regexp.MustCompile(`[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}_[0-9A-Za-z]{16,}`)

// LooksLikeToken reports whether something of a ledger token's form stands
// anywhere in text. Programs use it to refuse a token where it would be seen, such
// as on a command line.
func LooksLikeToken(text string) bool { return tokenPattern.MatchString(text) }
