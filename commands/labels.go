package commands

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tokenledger/tokenledger/commands/secret"
)

// Bounds on what a token may be given. They keep an event well below
// events.MaxSize.
const (
	maxScopes        = 64
	maxScopeLength   = 128
	maxCIDRs         = 64
	maxMetadata      = 32
	maxMetadataKey   = 64
	maxMetadataValue = 512
	maxMetadataBytes = 20 << 10
	maxReason        = 500
)

// checkText holds one label against its bounds, in characters, and refuses what
// has no place in a label.
func checkText(field, s string, l Length) error {
	n := utf8.RuneCountInString(s)
	if n < l.Min || n > l.Max {
		if n == 0 {
			return invalid("field_required", fmt.Sprintf("%s is missing", field), fmt.Sprintf("give a %s of %d to %d characters", field, l.Min, l.Max))
		}
		return invalid("length", fmt.Sprintf("%s has %d characters; it needs %d to %d", field, n, l.Min, l.Max), "change "+field)
	}
	if !utf8.ValidString(s) {
		return invalid("not_utf8", field+" is not UTF-8 text", "send UTF-8")
	}
	if i := strings.IndexFunc(s, unprintable); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return invalid("control_character", fmt.Sprintf("%s has the control character %U at byte %d", field, r, i), "take it out: labels are shown in terminals and logs")
	}
	if l.Min > 0 && strings.TrimFunc(s, invisible) == "" {
		return invalid("field_required", field+" is blank", "give it a visible text")
	}
	if secret.Within(s) {
		return invalid("secret_in_label", field+" holds a token; labels are stored and shown in the clear", "take the token out, and revoke it if others have seen it")
	}
	return nil
}

// unprintable reports control characters, line separators, and what can make one name
// look like another: marks that turn the direction of writing, and spaces of no width.
// The joiners U+200C and U+200D are part of some scripts, and stay.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' ||
		'\u202a' <= r && r <= '\u202e' || '\u2060' <= r && r <= '\u206f' ||
		r == '\u200b' || r == '\u200e' || r == '\u200f' || r == '\ufeff' || r == '\u061c' || r == '\u180e'
}

// invisible reports what leaves no mark: spaces, joiners, and the fillers of Hangul.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == '\u3164' || r == '\u115f' || r == '\u1160' || r == '\uffa0'
}

func checkReason(s string) error { return checkText("reason", s, Length{0, maxReason}) }

func checkMetadata(m map[string]string) error {
	if len(m) > maxMetadata {
		return invalid("metadata_too_large", fmt.Sprintf("metadata has %d entries; %d are the most", len(m), maxMetadata), "keep fewer")
	}
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
		if err := checkText("metadata key", k, Length{1, maxMetadataKey}); err != nil {
			return err
		}
		if err := checkText("metadata "+k, v, Length{0, maxMetadataValue}); err != nil {
			return err
		}
	}
	if size > maxMetadataBytes {
		return invalid("metadata_too_large", fmt.Sprintf("metadata has %d bytes; %d are the most", size, maxMetadataBytes), "keep less")
	}
	return nil
}

func validScope(s string) bool {
	if len(s) == 0 || len(s) > maxScopeLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._:/*-", c) >= 0) {
			return false
		}
	}
	return true
}

func checkScope(s string) error {
	if secret.Within(s) {
		return invalid("secret_in_label", "a scope holds a token; scopes are stored and shown in the clear", "take the token out, and revoke it if others have seen it")
	}
	if validScope(s) {
		return nil
	}
	return invalid("scope_invalid", fmt.Sprintf("%q is not a scope", shorten(s)), "a scope is 1 to 128 of A-Z a-z 0-9 . _ : / * -")
}

// shorten readies a text that was refused to be shown in the refusal.
func shorten(s string) string {
	const most = 40
	s = secret.Blot(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// checkCIDRs gives the networks in their canonical form. A bare address stands
// for itself alone.
func checkCIDRs(cidrs []string) ([]string, error) {
	if len(cidrs) > maxCIDRs {
		return nil, invalid("too_many_cidrs", fmt.Sprintf("%d networks are more than the %d that a token may have", len(cidrs), maxCIDRs), "give wider networks")
	}
	var out []string
	for _, c := range cidrs {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			addr, aerr := netip.ParseAddr(c)
			if aerr != nil || addr.Zone() != "" {
				return nil, invalid("cidr_invalid", fmt.Sprintf("%q is not a network", shorten(c)), `write "192.0.2.0/24", "2001:db8::/32" or a single address`)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p.Masked().String())
	}
	return out, nil
}
