// Package api is the JSON of the HTTP interface: what requests and answers look
// like on the wire. The server and the Go client share it, so that they cannot
// drift apart. It holds shapes and no rule.
//
// Times are RFC 3339, UTC. What is absent is left out: never "" or a zero time.
package api

import (
	"encoding/json"
	"time"
)

// Token is a token's record. The secret is no part of it.
type Token struct {
	ID     string `json:"id" doc:"The token's ULID"`
	Tenant string `json:"tenant"`
	Name   string `json:"name"`
	Site   string `json:"site,omitempty" doc:"The site or system that the token is for"`
	Owner  string `json:"owner,omitempty"`
	// Scopes is [] for a token that has none.
	Scopes []string `json:"scopes"`
	// Status is pending, active, suspended, revoked or expired, at the time of
	// the answer.
	Status    string     `json:"status" enum:"pending,active,suspended,revoked,expired"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by,omitempty" doc:"The id of the token that generated this one"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	// RevokedAt may lie ahead: then the token is good until that time.
	RevokedAt    *time.Time        `json:"revoked_at,omitempty"`
	RevokedBy    string            `json:"revoked_by,omitempty"`
	RevokeReason string            `json:"revoke_reason,omitempty"`
	ReasonCode   string            `json:"reason_code,omitempty" enum:"leaked,rotated,unused,offboarding,requested,other"`
	RotatedFrom  string            `json:"rotated_from,omitempty"`
	RotatedTo    string            `json:"rotated_to,omitempty"`
	LastUsedAt   *time.Time        `json:"last_used_at,omitempty"`
	LastUsedIP   string            `json:"last_used_ip,omitempty"`
	UseCount     uint64            `json:"use_count"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	AllowedCIDRs []string          `json:"allowed_cidrs,omitempty"`
	// Person is there on a token that is a person's session.
	Person *Person `json:"person,omitempty"`
	// Seq is the stream sequence of the last event that changed the record
	// (uses change the counters alone).
	Seq uint64 `json:"seq"`
}

// GenerateRequest asks for a new token: POST /v1/tokens.
type GenerateRequest struct {
	Name   string   `json:"name"`
	Site   string   `json:"site,omitempty"`
	Owner  string   `json:"owner,omitempty"`
	Scopes []string `json:"scopes,omitempty"`
	// Role is a name for permissions of the ledger, which are given beside Scopes.
	Role   string `json:"role,omitempty" enum:"admin,auditor,validator,subscriber"`
	Tenant string `json:"tenant,omitempty" doc:"The caller's own if left out"`
	// TTL is a duration such as "90d", "12h" or "1h30m". It excludes ExpiresAt.
	TTL          string            `json:"ttl,omitempty"`
	ExpiresAt    *time.Time        `json:"expires_at,omitempty"`
	NotBefore    *time.Time        `json:"not_before,omitempty"`
	AllowedCIDRs []string          `json:"allowed_cidrs,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// Generated answers generate and rotate.
type Generated struct {
	// Secret is the token itself. This answer is the only time it is seen. It is
	// left out when the answer repeats an earlier one (Idempotency-Replayed).
	Secret string `json:"secret,omitempty"`
	Token  Token  `json:"token"`
	// Note says why the secret is left out.
	Note string `json:"note,omitempty"`
}

// ListRequest is the query of GET /v1/tokens. Zero fields do not filter.
type ListRequest struct {
	Tenant string
	Site   string
	Owner  string
	// Name matches any part of a token's name, whatever its case.
	Name   string
	Status string
	Scope  string
	// UnusedSince gives the tokens that were neither used nor generated since.
	UnusedSince time.Time
	// ExpiresBefore gives the tokens that expire, or expired, before.
	ExpiresBefore time.Time
	Cursor        string
	// Limit is 1 to 1000; 0 takes the server's 100.
	Limit int
}

// TokenList answers GET /v1/tokens.
type TokenList struct {
	Tokens []Token `json:"tokens"`
	// NextCursor is left out on the last page.
	NextCursor string `json:"next_cursor,omitempty"`
}

// RevokeRequest is the body of POST /v1/tokens/{id}/revoke.
type RevokeRequest struct {
	Reason     string `json:"reason,omitempty"`
	ReasonCode string `json:"reason_code,omitempty" enum:"leaked,rotated,unused,offboarding,requested,other"`
	// EffectiveAt is now if left out or past.
	EffectiveAt *time.Time `json:"effective_at,omitempty"`
}

// RotateRequest is the body of POST /v1/tokens/{id}/rotate.
type RotateRequest struct {
	// Grace is how long the old token stays good: "24h". The default is 0s.
	Grace string `json:"grace,omitempty"`
}

// SuspendRequest is the body of POST /v1/tokens/{id}/suspend and /resume.
type SuspendRequest struct {
	Reason string `json:"reason,omitempty"`
}

// UpdateRequest is the body of PATCH /v1/tokens/{id}. A nil field stays as it is.
type UpdateRequest struct {
	Name  *string `json:"name,omitempty"`
	Owner *string `json:"owner,omitempty" doc:"\"\" takes the owner away"`
	// Metadata replaces all that was there.
	Metadata *map[string]string `json:"metadata,omitempty"`
}

// Filter chooses the tokens of a bulk revocation. At least one field is needed.
type Filter struct {
	Site        string     `json:"site,omitempty"`
	Owner       string     `json:"owner,omitempty"`
	Name        string     `json:"name,omitempty"`
	Status      string     `json:"status,omitempty"`
	Scope       string     `json:"scope,omitempty"`
	UnusedSince *time.Time `json:"unused_since,omitempty"`
	// ExpiresBefore chooses the tokens that end by themselves before it.
	ExpiresBefore *time.Time `json:"expires_before,omitempty"`
}

// BulkRevokeRequest is the body of POST /v1/tokens/revoke.
type BulkRevokeRequest struct {
	Tenant     string `json:"tenant,omitempty"`
	Filter     Filter `json:"filter"`
	DryRun     bool   `json:"dry_run,omitempty"`
	Reason     string `json:"reason,omitempty"`
	ReasonCode string `json:"reason_code,omitempty" enum:"leaked,rotated,unused,offboarding,requested,other"`
}

// BulkRevoked answers POST /v1/tokens/revoke.
type BulkRevoked struct {
	Matched int `json:"matched"`
	Revoked int `json:"revoked"`
	// Tokens are the first 1,000 of those that matched; TokensOmitted counts the rest.
	Tokens        []Token `json:"tokens"`
	TokensOmitted int     `json:"tokens_omitted,omitempty"`
}

// ImportLine is one line of the NDJSON of POST /v1/tokens/import.
type ImportLine struct {
	// SHA256 is over the existing key, in hex. The key itself is never sent.
	SHA256       string            `json:"sha256"`
	Name         string            `json:"name"`
	Site         string            `json:"site,omitempty"`
	Owner        string            `json:"owner,omitempty"`
	Scopes       []string          `json:"scopes,omitempty"`
	Role         string            `json:"role,omitempty" enum:"admin,auditor,validator,subscriber"`
	Tenant       string            `json:"tenant,omitempty"`
	TTL          string            `json:"ttl,omitempty"`
	ExpiresAt    *time.Time        `json:"expires_at,omitempty"`
	NotBefore    *time.Time        `json:"not_before,omitempty"`
	AllowedCIDRs []string          `json:"allowed_cidrs,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// ImportResult is one line of the NDJSON that answers an import.
type ImportResult struct {
	// Line counts from 1.
	Line int `json:"line"`
	// Status is imported, exists (the hash is known; ID is its token) or failed; or
	// stopped, in the last line of an answer alone: from this line on, nothing was
	// looked at.
	Status string `json:"status" enum:"imported,exists,failed,stopped"`
	ID     string `json:"id,omitempty"`
	// Code and Error say why a line failed, or the import stopped.
	Code  string `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// ValidateRequest is the body of POST /v1/tokens/validate.
type ValidateRequest struct {
	Token     string   `json:"token"`
	Scopes    []string `json:"scopes,omitempty" doc:"All of these must be held"`
	Site      string   `json:"site,omitempty"`
	ClientIP  string   `json:"client_ip,omitempty"`
	UserAgent string   `json:"user_agent,omitempty"`
	Resource  string   `json:"resource,omitempty"`
	// MinSeq asks for an answer that takes in at least this sequence.
	MinSeq uint64 `json:"min_seq,omitempty"`
}

// ValidateAnswer answers POST /v1/tokens/validate.
type ValidateAnswer struct {
	Active bool `json:"active"`
	// Token is there when Active.
	Token *ValidToken `json:"token,omitempty"`
	// Reason is there when not Active.
	Reason string `json:"reason,omitempty" enum:"malformed,unknown,bad_secret,revoked,expired,not_yet_valid,suspended,insufficient_scope,site_mismatch,ip_denied"`
	// AsOfSeq is the sequence up to which the answer takes in the stream.
	AsOfSeq uint64 `json:"as_of_seq"`
}

// ValidToken is what the holder of a service learns of a token that is good.
type ValidToken struct {
	ID        string     `json:"id"`
	Tenant    string     `json:"tenant"`
	Name      string     `json:"name"`
	Site      string     `json:"site,omitempty"`
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// RecordedEvent is an event with its place in the stream. Event holds the bytes
// as they were published.
type RecordedEvent struct {
	Seq      uint64          `json:"seq"`
	Received time.Time       `json:"received"`
	Subject  string          `json:"subject"`
	Event    json.RawMessage `json:"event"`
}

// History answers GET /v1/tokens/{id}/history, in the order of the stream.
type History struct {
	Events     []RecordedEvent `json:"events"`
	NextCursor string          `json:"next_cursor,omitempty"`
}

// ProjectionStatus is one row of GET /v1/projections.
type ProjectionStatus struct {
	Name    string `json:"name"`
	Version uint32 `json:"version"`
	// Applied is the sequence up to which events are in the rows.
	Applied uint64 `json:"applied"`
	// Last is the stream's last sequence, as last heard.
	Last uint64 `json:"last"`
	Lag  uint64 `json:"lag"`
	// Unknown counts the events passed over because this build does not know
	// their type or version.
	Unknown uint64 `json:"unknown"`
}

// ProjectionList answers GET /v1/projections.
type ProjectionList struct {
	Projections []ProjectionStatus `json:"projections"`
}

// Health answers GET /healthz and /readyz.
type Health struct {
	Status string `json:"status" enum:"ok,unavailable"`
	// Detail and Hint say what is wrong, to those who may know.
	Detail  string `json:"detail,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Applied uint64 `json:"applied,omitzero"`
	Last    uint64 `json:"last,omitzero"`
	Version string `json:"version,omitempty"`
}

// Problem is every error's body (RFC 9457, application/problem+json).
type Problem struct {
	// Type is a path into the documentation of errors.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what happened, and that nothing was changed where that is so.
	Detail string `json:"detail"`
	// Code is one word for programs; each has an entry in docs/errors.md.
	Code string `json:"code"`
	// Hint says what to do.
	Hint      string `json:"hint,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}
