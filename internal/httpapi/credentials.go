package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// once gives a header that a request may bear at most once. Two of them would be
// read one way by a proxy and another way here.
func once(r *http.Request, name string) (string, error) {
	switch all := r.Header[name]; len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	}
	return "", &commands.Error{Kind: commands.Invalid, Code: "header_repeated",
		Detail: "the request bears the header " + name + " more than once", Hint: "send it once; if you did, see what the proxies before the node add"}
}

// bearer takes the token out of the Authorization header. The empty secret is none.
func bearer(c *call) (secret.Secret, error) {
	value, err := once(c.r, "Authorization")
	return bearerOf(value), err
}

// bearerOf takes the token out of the value of such a header.
func bearerOf(value string) secret.Secret { return wire.BearerOf(value) }

// checkURL refuses a token in the URL, where proxies and browsers keep it.
func checkURL(r *http.Request) error {
	if !secret.Within(r.RequestURI) && !secret.Within(unescaped(r.RequestURI)) {
		return nil
	}
	return &commands.Error{Kind: commands.Invalid, Code: "token_in_url",
		Detail: "the URL of the request holds a token, or a part of one; URLs are kept in logs and histories",
		Hint:   `send it as "Authorization: Bearer tl_…" or in the body, and revoke it if others can read those logs`}
}

// unescaped gives the text without its escapes; nothing where it has none, or wrong ones,
// which no part of the node reads as anything.
func unescaped(uri string) string {
	if !strings.Contains(uri, "%") {
		return ""
	}
	text, err := url.PathUnescape(uri)
	if err != nil {
		return ""
	}
	return text
}
