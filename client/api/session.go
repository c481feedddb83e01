package api

import "time"

// Person is who signed in, as the issuer has vouched for it.
type Person struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject" doc:"The issuer's name for the person, never given to another"`
	Name    string `json:"name,omitempty"`
}

// Actor is who acts.
type Actor struct {
	Type string `json:"type" enum:"token,person"`
	// ID is the token's id, or the person's: issuer, "#", subject.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Session answers GET /v1/session: who calls, and what it may.
type Session struct {
	Actor Actor `json:"actor"`
	// TokenID is the id of the caller's token; of a person, of the session.
	TokenID string   `json:"token_id"`
	Tenant  string   `json:"tenant"`
	Scopes  []string `json:"scopes"`
	// Roles are those all of whose permissions are among the scopes.
	Roles     []string   `json:"roles"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// SessionTokenRequest is the body of POST /v1/session/token.
type SessionTokenRequest struct {
	// Code is the one that came to the program's redirect_uri.
	Code string `json:"code"`
	// CodeVerifier is the one whose challenge the sign-in was begun with (RFC 7636).
	CodeVerifier string `json:"code_verifier"`
}

// SessionOpened answers POST /v1/session/token.
type SessionOpened struct {
	// Secret is the session's token. This answer is the only time it is seen.
	Secret string   `json:"secret"`
	Roles  []string `json:"roles"`
	Token  Token    `json:"token"`
}
