package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// proxyHeader is how a proxy shows its own token: Authorization is that of the request
// which it asks about.
const proxyHeader = "X-Ledger-Authorization"

var tokenHeaders = []string{api.HeaderTokenID, api.HeaderTokenTenant, api.HeaderTokenName, api.HeaderTokenScopes}

// signInProxy settles which proxy asks.
func signInProxy(c *call) error {
	if c.api.ForwardAuthOpen {
		return nil
	}
	value, err := once(c.r, proxyHeader)
	if err != nil {
		return err
	}
	// The user agent is that of the request which the proxy asks about.
	origin := events.Origin{IP: remoteIP(c.r), RequestID: c.requestID}
	s, err := c.api.Ledger.SignIn(c.r.Context(), wire.BearerOf(value), origin, c.route.pattern())
	if e, ok := errors.AsType[*commands.Error](err); ok && e.Kind == commands.Unauthenticated {
		// Whoever reads this may be the bearer, who can do nothing about it.
		return &commands.Error{Kind: commands.Unauthenticated, Code: "proxy_not_authenticated",
			Detail: "the proxy that asks has shown no good token of its own", Hint: `its operator has to have it send "` + proxyHeader + `: Bearer tl_…", with a token that holds ` + commands.TokensValidate}
	}
	c.session = s
	return err
}

// forwardAuth answers a proxy that asks whether a request may pass.
func forwardAuth(c *call) error {
	f := ledger.Forwarded{
		Authorization: c.r.Header["Authorization"], APIKey: c.r.Header["X-Api-Key"],
		Client: c.api.TrustedProxies.Client(c.r.RemoteAddr, c.r.Header["X-Forwarded-For"]),
		Method: original(c.r.Header, "X-Forwarded-Method", "X-Original-Method"),
		URI:    original(c.r.Header, "X-Forwarded-Uri", "X-Original-Uri"), UserAgent: c.r.UserAgent(),
	}
	if c.values.Has("scope") {
		if f.Scopes = strings.Fields(c.values.Get("scope")); len(f.Scopes) == 0 {
			// Taken for none, it would let every token pass.
			return &commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: "the query gives scope no value", Hint: "name one or more scopes, with spaces (%20) between them, or leave scope out"}
		}
	}
	f.Site, f.Tenant = c.values.Get("site"), c.values.Get("tenant")
	var p ledger.Passage
	var err error
	if c.api.ForwardAuthOpen {
		p, err = c.api.Ledger.ForwardAuthOpen(c.r.Context(), f)
	} else {
		p, err = c.api.Ledger.ForwardAuth(c.r.Context(), c.session, f)
	}
	if err != nil {
		return err
	}
	if p.Refused != nil {
		c.wanted = f.Scopes
		return p.Refused
	}
	h := c.w.Header()
	// One allocation for all four: this answer is given for every request of every service
	// behind a proxy.
	values := []string{p.Token.ID.String(), p.Token.Tenant, api.EscapeHeader(p.Token.Name), strings.Join(p.Token.Scopes, " ")}
	h[api.HeaderTokenID], h[api.HeaderTokenTenant] = values[0:1:1], values[1:2:2]
	h[api.HeaderTokenName], h[api.HeaderTokenScopes] = values[2:3:3], values[3:4:4]
	c.status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// original gives what the first of the headers says that is there. It is for the record
// alone. One that comes twice says nothing.
func original(h http.Header, names ...string) string {
	for _, name := range names {
		if all := h[name]; len(all) == 1 {
			return all[0]
		} else if len(all) > 1 {
			return ""
		}
	}
	return ""
}
