package auth

import (
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

// Verified gives the session of somebody who has no token of the ledger, and whose
// message bears a signature that was verified, by a key that the operator trusts. It may
// do what needs the permissions given, in no tenant but the one that the operation says.
func Verified(actor events.Actor, origin events.Origin, may ...commands.Permission) Session {
	return Session{Caller: commands.Caller{Actor: actor, Origin: origin, Tenant: events.DefaultTenant, Scopes: may}}
}
