package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/wire"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// etagOf is a strong entity tag (RFC 9110, 8.8.3): it changes with every byte of the body.
func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// tagged answers with the body and its tag, or with 304 to a caller that has it already.
func (c *call) tagged(contentType string, body []byte) error {
	tag := etagOf(body)
	c.w.Header().Set("ETag", tag)
	reading := c.r.Method == http.MethodGet || c.r.Method == http.MethodHead
	if seen := c.r.Header["If-None-Match"]; reading && len(seen) > 0 && names(strings.Join(seen, ","), tag, true) {
		c.status = http.StatusNotModified
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.write(contentType, http.StatusOK, body)
}

// names reports whether a list of entity tags, as If-Match and If-None-Match have it,
// names the tag of something that exists. Weak tags count where weakly is set. What is no
// list names nothing.
func names(list, tag string, weakly bool) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for list = strings.TrimLeft(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
		rest, weak := strings.CutPrefix(list, "W/")
		if rest == "" || rest[0] != '"' {
			return false
		}
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return false
		}
		if rest[:end+2] == tag && (weakly || !weak) {
			return true
		}
		list = rest[end+2:]
	}
	return false
}

// ifMatch gives what If-Match asks of the record that is to be changed; nil where the
// request has no such header.
func (c *call) ifMatch() func(tokens.Record) error {
	wanted := c.r.Header["If-Match"]
	if len(wanted) == 0 {
		return nil
	}
	return func(t tokens.Record) error {
		body, err := wire.Marshal(record(t, c.api.Ledger.Now()))
		if err != nil || names(strings.Join(wanted, ","), etagOf(body), false) {
			return err
		}
		return &commands.Error{Kind: commands.Outdated, Code: "precondition_failed",
			Detail: "the token's record is not the one that If-Match names; nothing was changed",
			Hint:   "read the record again, and send the change with the ETag that comes with it; uses change the record, too"}
	}
}
