package commands

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
)

// Bounds on what names a person, in bytes.
const (
	maxIssuer = 255
	// maxSubject is that of OpenID Connect Core 1.0, section 2.
	maxSubject = 255
)

// checkPerson holds what names a person against its bounds, and readies the name.
func checkPerson(p events.Person) (events.Person, error) {
	for _, part := range []struct {
		name, value string
		most        int
	}{{"issuer", p.Issuer, maxIssuer}, {"subject", p.Subject, maxSubject}} {
		switch {
		case part.value == "" || len(part.value) > part.most:
			return p, claimRefused(fmt.Sprintf("the %s has %d bytes; it needs 1 to %d", part.name, len(part.value), part.most), "ask the issuer's admin")
		case !utf8.ValidString(part.value) || strings.ContainsFunc(part.value, unprintable) || strings.TrimFunc(part.value, invisible) == "":
			return p, claimRefused("the "+part.name+" has characters that no name has", "ask the issuer's admin")
		case secret.Within(part.value):
			return p, claimRefused("the "+part.name+" holds a token of the ledger, and is stored in the clear", "ask the issuer's admin, and revoke the token")
		}
	}
	if p.Name = readableName(p.Name); p.Name == "" {
		p.Name = readableName(p.Subject)
	}
	return p, nil
}

func claimRefused(detail, hint string) error {
	return &Error{Kind: Forbidden, Code: "claims_refused", Detail: detail + "; no session was made", Hint: hint}
}

// readableName makes a label of a name that the issuer gave. A strange one is no reason
// to keep a person out: what has no place in a label is left out.
func readableName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unprintable(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, secret.Blot(s))
	if r := []rune(s); len(r) > maxLabel {
		s = string(r[:maxLabel])
	}
	if strings.TrimFunc(s, invisible) == "" {
		return ""
	}
	return strings.TrimSpace(s)
}
