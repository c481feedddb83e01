// Package secret is the token string: how one is minted, read and hashed.
//
// A token is "<prefix>_<id>_<secret><check>": the ULID of the token, 192 random
// bits in base62, and the CRC-32 of everything before it in base62. The check
// tells a copy error from an unknown token without a look-up; it gives no
// authenticity. What is stored of a token is the SHA-256 of the whole string
// alone: 192 random bits need no slow password hash (NIST SP 800-63B-4, look-up
// secrets; OWASP ASVS 5.0, 6.5.2).
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"regexp"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

const (
	secretBytes = 24 // 192 bits
	secretChars = 33 // base62 digits of 192 bits
	checkChars  = 6  // base62 digits of a CRC-32
	tailChars   = secretChars + checkChars

	minLength = 2 + 1 + ulid.EncodedSize + 1 + tailChars

	// MaxLength bounds the length of a token string, in bytes.
	MaxLength = 16 + 1 + ulid.EncodedSize + 1 + tailChars
)

// DefaultPrefix begins the tokens of a ledger that sets no other.
const DefaultPrefix = "tl"

// Secret is a token string. It shows itself to nobody but [Secret.Reveal]:
// formatted, logged or marshalled it reads "[secret]".
type Secret struct{ s string }

// Of takes a presented string as it is.
func Of(s string) Secret { return Secret{s} }

// Reveal gives the token string. The answer to the one who generated it is the
// only place for it.
func (s Secret) Reveal() string { return s.s }

const redacted = "[secret]"

// String implements [fmt.Stringer].
func (s Secret) String() string { return redacted }

// Format implements [fmt.Formatter], for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Hash is the SHA-256 over the whole string: what the ledger stores.
func (s Secret) Hash() events.Digest { return sha256.Sum256([]byte(s.s)) }

// Matches reports in constant time whether the string is the one that has hash.
func (s Secret) Matches(hash events.Digest) bool {
	own := s.Hash()
	return subtle.ConstantTimeCompare(own[:], hash[:]) == 1
}

// Mint makes the token string for id, with fresh random bits from the operating
// system.
func Mint(prefix string, id ulid.ULID) Secret {
	var random [secretBytes]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process first
	b := make([]byte, 0, MaxLength)
	b = append(b, prefix...)
	b = append(b, '_')
	b = append(b, id.String()...)
	b = append(b, '_')
	b = appendBase62(b, random[:], secretChars)
	return Secret{string(appendCheck(b))}
}

// ErrMalformed says that a string is no token of this ledger's format, or that a
// character of it was copied wrong.
var ErrMalformed = errors.New("not a token: the format or the check does not hold")

// Parse reads the id out of a token string and holds its check against the rest.
// Any prefix of the right form is taken, so that tokens outlive a change of
// --token-prefix.
func Parse(s Secret) (ulid.ULID, error) {
	str := s.s
	if len(str) > MaxLength || len(str) < minLength {
		return ulid.ULID{}, ErrMalformed
	}
	tailAt := len(str) - tailChars
	idAt := tailAt - 1 - ulid.EncodedSize
	if str[tailAt-1] != '_' || str[idAt-1] != '_' || !ValidPrefix(str[:idAt-1]) {
		return ulid.ULID{}, ErrMalformed
	}
	for i := tailAt; i < len(str); i++ {
		if base62Digit(str[i]) < 0 {
			return ulid.ULID{}, ErrMalformed
		}
	}
	var check [checkChars]byte
	body := str[:len(str)-checkChars]
	if string(crcDigits(check[:0], []byte(body))) != str[len(body):] {
		return ulid.ULID{}, ErrMalformed
	}
	id, err := events.ParseID(str[idAt : tailAt-1])
	if err != nil {
		return ulid.ULID{}, ErrMalformed
	}
	return id, nil
}

// ValidPrefix reports whether p may begin tokens: [a-z][a-z0-9]{1,15}.
func ValidPrefix(p string) bool {
	if len(p) < 2 || len(p) > 16 || p[0] < 'a' || p[0] > 'z' {
		return false
	}
	return strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// anywhere finds what looks like a token inside other text, whatever its prefix and
// with or without it. One that was copied short counts too: without its check it still
// holds the whole secret, and half a secret is more than is to be kept.
var anywhere = regexp.MustCompile(`(?:[A-Za-z][0-9A-Za-z]{1,15}_)?[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}_[0-9A-Za-z]{16,}`)

// shortest is the length, in bytes, of the shortest text that anywhere finds.
const shortest = ulid.EncodedSize + 1 + 16

// Within reports whether text holds something that looks like a token, or a part of
// one, so that one pasted into a name or a label is refused before it is stored.
func Within(text string) bool { return len(text) >= shortest && anywhere.MatchString(text) }

// Blot gives text with "[token]" in the place of what looks like a token, or a part of
// one.
func Blot(text string) string {
	if len(text) < shortest {
		return text
	}
	return anywhere.ReplaceAllLiteralString(text, "[token]")
}

func appendCheck(b []byte) []byte { return crcDigits(b, b) }

// crcDigits appends the check over body to dst.
func crcDigits(dst, body []byte) []byte {
	sum := crc32.ChecksumIEEE(body)
	return appendBase62(dst, []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, checkChars)
}
