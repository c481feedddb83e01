package tokens

import (
	"net/netip"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// ScopeRoot is the scope that gives everything in all tenants.
const ScopeRoot = "ledger:root"

// Token is the record of a token: what its events have made of it, without its uses.
// A zero time, id or string is one that is absent. It is to be read only: slices and
// strings may share memory.
type Token struct {
	ID     ulid.ULID
	Tenant string
	Name   string
	Site   string
	Owner  string
	Scopes []string
	// Hash is the SHA-256 over the whole token string.
	Hash events.Digest
	// Imported tokens are not of the ledger's own format and are found by Hash.
	Imported bool
	// Person is who signed in, if the token is a person's session.
	Person events.Person

	CreatedAt time.Time
	// CreatedBy is the token that its maker signed in with; zero for the system.
	CreatedBy ulid.ULID
	// CreatedSeq is the sequence of the generated event.
	CreatedSeq uint64
	ExpiresAt  time.Time
	NotBefore  time.Time

	// RevokedAt is the earliest end that any revocation gave; it may lie ahead.
	// The other fields are those of that revocation.
	RevokedAt    time.Time
	RevokedBy    ulid.ULID
	RevokeReason string
	ReasonCode   events.ReasonCode

	RotatedFrom ulid.ULID
	RotatedTo   ulid.ULID

	Suspended     bool
	SuspendedAt   time.Time
	SuspendReason string

	Metadata map[string]string
	// AllowedCIDRs, if there are any, are the networks the token may be used
	// from. One that could not be parsed is the zero Prefix, which contains
	// nothing: it never widens what is allowed.
	AllowedCIDRs []netip.Prefix

	// Seq is the last event that changed the record.
	Seq uint64
}

// Credential is the part of a [Token] that validation needs.
type Credential struct {
	ID           ulid.ULID
	Hash         events.Digest
	Tenant       string
	Name         string
	Site         string
	Scopes       []string
	AllowedCIDRs []netip.Prefix
	ExpiresAt    time.Time
	NotBefore    time.Time
	RevokedAt    time.Time
	Suspended    bool
	Imported     bool
	// Person says that the token is a person's session; its record says whose.
	Person bool
}

// Record is a token with its uses.
type Record struct {
	Token
	Usage
}

// Status is what a token is at some time.
type Status string

// The statuses there are.
const (
	StatusPending   Status = "pending" // its not-before lies ahead
	StatusActive    Status = "active"
	StatusSuspended Status = "suspended"
	StatusRevoked   Status = "revoked"
	StatusExpired   Status = "expired"
)

// Statuses lists every [Status].
func Statuses() []Status {
	return []Status{StatusPending, StatusActive, StatusSuspended, StatusRevoked, StatusExpired}
}

// Status is the token's status at now. Where several apply, the first in the order
// of validation's checks is given: revoked, expired, pending, suspended, active. A
// token ends at the very instant of RevokedAt or ExpiresAt, and begins at that of
// NotBefore.
func (t *Token) Status(now time.Time) Status {
	return statusAt(now, t.RevokedAt, t.ExpiresAt, t.NotBefore, t.Suspended)
}

// Status is [Token.Status].
func (c *Credential) Status(now time.Time) Status {
	return statusAt(now, c.RevokedAt, c.ExpiresAt, c.NotBefore, c.Suspended)
}

func statusAt(now, revoked, expires, notBefore time.Time, suspended bool) Status {
	switch {
	case !revoked.IsZero() && !now.Before(revoked):
		return StatusRevoked
	case !expires.IsZero() && !now.Before(expires):
		return StatusExpired
	case !notBefore.IsZero() && now.Before(notBefore):
		return StatusPending
	case suspended:
		return StatusSuspended
	}
	return StatusActive
}

// Credential gives the part that validation needs. It shares memory with t.
func (t *Token) Credential() Credential {
	return Credential{
		ID: t.ID, Hash: t.Hash, Tenant: t.Tenant, Name: t.Name, Site: t.Site,
		Scopes: t.Scopes, AllowedCIDRs: t.AllowedCIDRs,
		ExpiresAt: t.ExpiresAt, NotBefore: t.NotBefore, RevokedAt: t.RevokedAt,
		Suspended: t.Suspended, Imported: t.Imported, Person: !t.Person.IsZero(),
	}
}

// HasScope reports whether the token was given exactly this scope.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.Scopes, scope) }
