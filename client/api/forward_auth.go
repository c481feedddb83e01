package api

import "strings"

// The headers by which GET /v1/authorize, and Envoy's ext_authz, tell whom they have let
// pass. All four are in every answer that lets a request pass.
const (
	HeaderTokenID     = "X-Token-Id"
	HeaderTokenTenant = "X-Token-Tenant"
	// HeaderTokenName is escaped: see [EscapeHeader].
	HeaderTokenName = "X-Token-Name"
	// HeaderTokenScopes has a space between two scopes, and is empty for none.
	HeaderTokenScopes = "X-Token-Scopes"
)

// EscapeHeader writes a text so that it survives in a header: every byte of its UTF-8
// that is not printable ASCII, the percent sign, and a space at either end become %XX.
// [net/url.PathUnescape], or decodeURIComponent, gives the text back.
func EscapeHeader(text string) string {
	plain := func(i int) bool {
		c := text[i]
		return ' ' < c && c < 0x7f && c != '%' || c == ' ' && i > 0 && i < len(text)-1
	}
	for i := range len(text) {
		if !plain(i) {
			return escapeHeader(text, plain)
		}
	}
	return text
}

func escapeHeader(text string, plain func(int) bool) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; plain(i) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
