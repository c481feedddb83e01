package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

// Deliver makes a code for the program that waits for the person, and gives the URI to
// send the browser to. The code is good once, for a minute, with the program's verifier.
func (p *Party) Deliver(prog Program, who Identity, tenant string) (uri string, err error) {
	code, err := p.codes.put(held{who: who, tenant: tenant, challenge: prog.Challenge})
	if err != nil {
		return "", err
	}
	return prog.RedirectURI + "?" + url.Values{"code": {code}, "state": {prog.State}}.Encode(), nil
}

// Redeem gives back whom the code was made for.
func (p *Party) Redeem(code, verifier string) (who Identity, tenant string, err error) {
	h, ok := p.codes.take(code)
	if !ok || !proves(verifier, h.challenge) {
		return Identity{}, "", &commands.Error{Kind: commands.Invalid, Code: "code_invalid",
			Detail: "the code is none that this node gave, was used before, is older than a minute, or belongs to another verifier; no session was made", Hint: "begin again; the code has to come back to the node that gave it"}
	}
	return h.who, h.tenant, nil
}

// proves holds a verifier against its challenge (RFC 7636, section 4.6).
func proves(verifier, challenge string) bool {
	if len(verifier) < challengeChars || len(verifier) > 128 || strings.Trim(verifier, unreserved) != "" {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

const (
	codeLife = time.Minute
	// maxCodes bounds the codes that wait at one time. Each stands for a person who
	// signed in within the last minute.
	maxCodes = 1000
)

// held is what a code stands for. No session is made before it is redeemed.
type held struct {
	who               Identity
	tenant, challenge string
	until             time.Time
}

// codes are those that wait to be redeemed, by their SHA-256.
type codes struct {
	now func() time.Time
	mu  sync.Mutex
	all map[[sha256.Size]byte]held
}

func (c *codes) put(h held) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for key, old := range c.all {
		if !now.Before(old.until) {
			delete(c.all, key)
		}
	}
	if len(c.all) >= maxCodes {
		return "", tooMany("too many sign-ins wait for their programs")
	}
	if c.all == nil {
		c.all = make(map[[sha256.Size]byte]held)
	}
	code := rand.Text() + rand.Text()
	h.until = now.Add(codeLife)
	c.all[sha256.Sum256([]byte(code))] = h
	return code, nil
}

// take gives what the code stands for, once, whatever becomes of it.
func (c *codes) take(code string) (held, bool) {
	key := sha256.Sum256([]byte(code))
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.all[key]
	delete(c.all, key)
	return h, ok && c.now().Before(h.until)
}
