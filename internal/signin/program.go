package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/tokenledger/tokenledger/commands"
)

// Program is a program on the person's machine that waits for a sign-in to come to its
// end (RFC 8252, section 7.3): it listens on the loopback, and proves with PKCE that the
// code which comes there is its own.
type Program struct {
	// RedirectURI is where it listens: http://127.0.0.1:PORT/… or http://[::1]:PORT/….
	RedirectURI string
	// State is given back to it as it is.
	State string
	// Challenge is the S256 code challenge of its verifier.
	Challenge string
}

const (
	maxRedirectURI = 200
	maxState       = 128
)

// challengeChars is the length of a SHA-256 in base64url.
const challengeChars = 43

// check refuses what is no such program. Above all, a code goes nowhere but to the
// machine of whoever signs in.
func (p *Program) check() error {
	if p == nil {
		return nil
	}
	invalid := func(detail, hint string) error {
		return &commands.Error{Kind: commands.Invalid, Code: "redirect_invalid", Detail: detail + "; nobody was sent anywhere", Hint: hint}
	}
	if !onLoopback(p.RedirectURI) {
		return invalid("the redirect_uri is not on the loopback of the person's own machine", "give http://127.0.0.1:PORT/PATH or http://[::1]:PORT/PATH, without a query")
	}
	if p.State == "" || len(p.State) > maxState || strings.Trim(p.State, unreserved) != "" {
		return invalid("state is missing or no text of up to 128 letters, digits and -._~", "send a random state, and compare it when the code comes")
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(p.Challenge); err != nil || len(b) != sha256.Size {
		return invalid("code_challenge is no S256 challenge (RFC 7636)", "send base64url(SHA-256(verifier)), and code_challenge_method=S256")
	}
	return nil
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// onLoopback reports a URI that stays on the machine. It is compared as it would be
// written anew: what two readers could read differently is none.
func onLoopback(s string) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxRedirectURI || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return false
	}
	host := u.Hostname()
	if host != "127.0.0.1" && host != "::1" {
		return false
	}
	if strings.Trim(u.Path, unreserved+"/") != "" {
		return false
	}
	return s == "http://"+net.JoinHostPort(host, strconv.FormatUint(port, 10))+u.Path
}
