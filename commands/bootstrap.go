package commands

import (
	"cmp"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
)

// Bootstrap asks for the first two events of a ledger: that it was created, and
// its first root token.
type Bootstrap struct {
	LedgerID  ulid.ULID
	LogOrigin string
	PublicKey string
	// Source, Node and TokenPrefix are the creating node's.
	Source, Node, TokenPrefix string
}

// Events decides the ledger's beginning. The two belong into one atomic batch on
// the empty stream: then a ledger without a root token cannot be, whatever stops
// the node, and of several nodes that start at once exactly one creates it.
func (b Bootstrap) Events(now time.Time) ([]events.Event, secret.Secret) {
	id := NewID(now)
	minted := secret.Mint(cmp.Or(b.TokenPrefix, secret.DefaultPrefix), id)
	root := &events.TokenGenerated{Name: "root", Scopes: []string{Root}, SHA256: minted.Hash()}
	root.TokenID = id
	created := &events.LedgerCreated{LedgerID: b.LedgerID, LogOrigin: b.LogOrigin, PublicKey: b.PublicKey}
	c := System(b.Node)
	return []events.Event{
		newEvent(b.Source, c, events.Idempotency{}, now, fact{events.DefaultTenant, created}),
		newEvent(b.Source, c, events.Idempotency{}, now, fact{events.DefaultTenant, root}),
	}, minted
}
