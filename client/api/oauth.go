package api

// IntrospectionRequest is the form of POST /oauth2/introspect (RFC 7662, 2.1):
// application/x-www-form-urlencoded.
type IntrospectionRequest struct {
	Token         string `json:"token"`
	TokenTypeHint string `json:"token_type_hint,omitempty" doc:"Has no effect"`
	// What follows is the ledger's own: the token is active only if it is good for this,
	// too.
	Scope    string `json:"scope,omitempty" doc:"Scopes that must all be held, with spaces between them"`
	Site     string `json:"site,omitempty"`
	ClientIP string `json:"client_ip,omitempty" doc:"Where the bearer comes from; a token that is bound to networks is inactive without it"`
}

// Introspection is the answer (RFC 7662, 2.2). Of a token that is not active it has
// active alone. Times are seconds since 1970.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty" doc:"The token's scopes, with spaces between them"`
	ClientID  string `json:"client_id,omitempty" doc:"The token's id"`
	Username  string `json:"username,omitempty" doc:"The token's owner"`
	TokenType string `json:"token_type,omitempty" doc:"Bearer"`
	ExpiresAt int64  `json:"exp,omitempty,omitzero" doc:"Its expiry, or the revocation that is planned before it"`
	IssuedAt  int64  `json:"iat,omitempty,omitzero"`
	NotBefore int64  `json:"nbf,omitempty,omitzero"`
	Subject   string `json:"sub,omitempty" doc:"The token's id"`
	Audience  string `json:"aud,omitempty" doc:"The token's site"`
	Issuer    string `json:"iss,omitempty"`
	TokenID   string `json:"jti,omitempty" doc:"The token's id"`
	// What follows is the ledger's own.
	Tenant string `json:"tenant,omitempty"`
	Name   string `json:"name,omitempty"`
}

// RevocationRequest is the form of POST /oauth2/revoke (RFC 7009, 2.1):
// application/x-www-form-urlencoded.
type RevocationRequest struct {
	Token         string `json:"token"`
	TokenTypeHint string `json:"token_type_hint,omitempty" doc:"Has no effect"`
}

// OAuthError is an error of the OAuth endpoints (RFC 6749, 5.2), with the members of a
// [Problem] that tell more.
type OAuthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
	Code        string `json:"code"`
	Hint        string `json:"hint,omitempty"`
	RequestID   string `json:"request_id"`
}

// OAuthMetadata is GET /.well-known/oauth-authorization-server (RFC 8414).
type OAuthMetadata struct {
	Issuer                   string   `json:"issuer"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	// ResponseTypes and GrantTypes are empty: the ledger gives no tokens over OAuth.
	ResponseTypes []string `json:"response_types_supported"`
	GrantTypes    []string `json:"grant_types_supported"`
}
