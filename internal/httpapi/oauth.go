package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// The endpoints of OAuth: introspection (RFC 7662), revocation (RFC 7009) and the
// metadata by which clients find them (RFC 8414).
const (
	introspectPath = "/oauth2/introspect"
	revokePath     = "/oauth2/revoke"
	metadataPath   = "/.well-known/oauth-authorization-server"
)

// introspect answers whether a token is good, and what it is.
func introspect(c *call) error {
	form, err := c.form("token", "scope", "site", "client_ip")
	if err != nil {
		return err
	}
	cmd := commands.Validate{Token: secret.Of(form["token"]), Scopes: strings.Fields(form["scope"]), Site: form["site"]}
	if ip := form["client_ip"]; ip != "" {
		if cmd.ClientIP, err = wire.ClientIP(ip); err != nil {
			return err
		}
	}
	t, active, err := c.api.Ledger.Introspect(c.r.Context(), c.session, cmd)
	if err != nil {
		return err
	}
	if !active {
		return c.json(http.StatusOK, api.Introspection{})
	}
	ends := t.ExpiresAt
	if !t.RevokedAt.IsZero() && (ends.IsZero() || t.RevokedAt.Before(ends)) {
		ends = t.RevokedAt
	}
	return c.json(http.StatusOK, api.Introspection{
		Active: true, Scope: strings.Join(t.Scopes, " "), ClientID: t.ID.String(), Username: t.Owner, TokenType: "Bearer",
		ExpiresAt: unix(ends), IssuedAt: unix(t.CreatedAt), NotBefore: unix(t.NotBefore),
		Subject: t.ID.String(), Audience: t.Site, Issuer: c.api.PublicURL, TokenID: t.ID.String(), Tenant: t.Tenant, Name: t.Name,
	})
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// revokePresented ends the token that the form bears. The answer is the same whether
// there was one to end, so that nobody can try tokens out here.
func revokePresented(c *call) error {
	form, err := c.form("token")
	if err != nil {
		return err
	}
	if err := c.api.Ledger.RevokePresented(c.r.Context(), c.session, secret.Of(form["token"])); err != nil {
		return err
	}
	// Of the revocation, or of nothing: the sequence that this node has applied by now.
	c.seq(c.api.Ledger.State.Applied(), false)
	c.status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// oauthMetadata names the endpoints. Nothing in it is the request's: what a Host header
// says would send a client's tokens elsewhere.
func oauthMetadata(c *call) error {
	issuer := c.api.PublicURL
	c.w.Header().Set("Cache-Control", "public, max-age=300")
	return c.json(http.StatusOK, api.OAuthMetadata{
		Issuer:                issuer,
		IntrospectionEndpoint: issuer + introspectPath, IntrospectionAuthMethods: []string{"client_secret_basic", "Bearer"},
		RevocationEndpoint: issuer + revokePath, RevocationAuthMethods: []string{"client_secret_basic"},
		ResponseTypes: []string{}, GrantTypes: []string{},
	})
}

// oauthFault is an error as clients of OAuth read it (RFC 6749, 5.2).
func oauthFault(c *call, status int, e *commands.Error) (mediaType string, body any) {
	h := c.w.Header()
	basic := isBasic(c.r.Header.Get("Authorization"))
	word := "server_error"
	switch {
	case status == http.StatusUnauthorized:
		word = "invalid_client"
		if e.Code != "no_token" && !basic {
			word = "invalid_token"
		}
		h.Add("WWW-Authenticate", `Basic realm="tokenledger"`)
	case status == http.StatusForbidden:
		word = "insufficient_scope"
		if basic {
			word = "unauthorized_client"
			h.Del("WWW-Authenticate") // it speaks of the scheme Bearer
		}
	case e.Code == "scope_invalid" || e.Code == "too_many_scopes":
		word = "invalid_scope"
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		word = "temporarily_unavailable"
	case status < 500:
		word = "invalid_request"
	}
	return "application/json", api.OAuthError{
		Error: word, Description: asDescription(e.Detail), Code: e.Code, Hint: e.Hint, RequestID: c.requestID,
	}
}

// asDescription keeps to the characters that an error_description may have.
func asDescription(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		}
		return r
	}, s)
}
