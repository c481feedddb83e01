package commands

import (
	"slices"

	"github.com/tokenledger/tokenledger/events"
)

// Caller is who asks, as established by the token that was shown, with what the
// request said of itself.
type Caller struct {
	Actor  events.Actor
	Origin events.Origin
	// Tenant is the caller's own.
	Tenant string
	Scopes []string
	// IdempotencyKey is the request's, or empty.
	IdempotencyKey string
}

// Holds reports whether the caller's scopes cover p.
func (c Caller) Holds(p Permission) bool {
	return slices.ContainsFunc(c.Scopes, func(held string) bool { return covers(held, p) })
}

// NotGood is the answer to whoever calls with a token that is not good. It does not
// say why not: its bearer may be a thief.
func NotGood() *Error {
	return &Error{Kind: Unauthenticated, Code: "invalid_token",
		Detail: "the token that the request bears is not good",
		Hint:   "it may be mistyped, expired, revoked, suspended or bound to another network; an admin of the ledger can look it up by its id"}
}

// System is the caller for what the ledger does of itself.
func System(node string) Caller {
	return Caller{Actor: events.Actor{Type: "system", ID: node, Name: "tokenledger"}, Tenant: events.DefaultTenant}
}
