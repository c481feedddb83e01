package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

// The cookies of people's browsers. Over https their names bind them to this very host:
// no other, a subdomain neither, can set them (RFC 6265bis, section 4.1.3.2).
const (
	sessionCookie = "tokenledger_session"
	attemptCookie = "tokenledger_signin"
	hostPrefix    = "__Host-"
)

// secure reports whether people reach the ledger over https.
func (a *API) secure() bool { return strings.HasPrefix(a.PublicURL, "https://") }

func (a *API) cookieName(name string) string {
	if a.secure() {
		return hostPrefix + name
	}
	return name
}

// setCookie gives the browser a cookie that no script can read. A life of 0 takes it
// away.
func (c *call) setCookie(name, value string, life time.Duration, site http.SameSite) {
	age := int(life / time.Second)
	if life <= 0 {
		age = -1
	}
	http.SetCookie(c.w, &http.Cookie{
		Name: c.api.cookieName(name), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: c.api.secure(), SameSite: site,
	})
}

// dropCookie takes the cookie of a session away that has ended.
func (c *call) dropCookie(err error) {
	if e, ok := errors.AsType[*commands.Error](err); ok && c.byCookie && e.Kind == commands.Unauthenticated {
		c.setCookie(sessionCookie, "", 0, http.SameSiteStrictMode)
	}
}

// cookie gives the value of a cookie that may come once at the most: where there are two,
// one was set by somebody else.
func (c *call) cookie(name string) (string, error) {
	switch all := c.r.CookiesNamed(c.api.cookieName(name)); len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0].Value, nil
	}
	return "", &commands.Error{Kind: commands.Invalid, Code: "header_repeated",
		Detail: "the request bears the cookie " + name + " more than once", Hint: "delete the cookies of this site, and sign in again"}
}

// bearerOrSession takes the caller's token out of the Authorization header, or else out
// of the cookie of a person's session. The cookie comes by itself, whoever made the
// browser send the request: so what changes anything has to come from the ledger's own
// pages.
func bearerOrSession(c *call) (secret.Secret, error) {
	if len(c.r.Header["Authorization"]) > 0 {
		return bearer(c)
	}
	value, err := c.cookie(sessionCookie)
	if err != nil || value == "" {
		return secret.Secret{}, err
	}
	c.byCookie = true
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return secret.Of(value), nil
	}
	if !c.sameOrigin() {
		return secret.Secret{}, &commands.Error{Kind: commands.Forbidden, Code: "cross_origin",
			Detail: "the request comes with a session's cookie, and not from the ledger's own pages; nothing was changed",
			Hint:   `a program sends the token as "Authorization: Bearer tl_…"; in a browser, follow no link that others sent`}
	}
	return secret.Of(value), nil
}

// sameOrigin reports a request that a page of the ledger itself has sent, as the browser
// says (Fetch Metadata; of older browsers the Origin header). Where nothing says so, it
// is none.
func (c *call) sameOrigin() bool {
	site, origin := c.r.Header["Sec-Fetch-Site"], c.r.Header["Origin"]
	if len(site) > 1 || len(origin) > 1 {
		return false
	}
	if len(site) == 1 {
		return site[0] == "same-origin"
	}
	public, err := url.Parse(c.api.PublicURL)
	return err == nil && len(origin) == 1 && origin[0] == public.Scheme+"://"+public.Host
}
