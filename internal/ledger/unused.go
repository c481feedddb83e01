package ledger

import (
	"context"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// Unused needs tokens:read.
func (l *Ledger) Unused(ctx context.Context, s auth.Session, q commands.Unused) (page []commands.UnusedToken, next string, err error) {
	if q.Tenant, err = l.enter(ctx, s, commands.TokensRead, q.Tenant); err != nil {
		return nil, "", err
	}
	return l.Handler.Unused(ctx, q)
}

// RevokeUnused has the node itself, of that name, carry out its policy on unused tokens.
// It does nothing while the node is not fresh: a use that it has not heard of would be
// missing.
func (l *Ledger) RevokeUnused(ctx context.Context, node string, spared func(ulid.ULID) bool) (revoked int, err error) {
	return l.Handler.RevokeUnused(ctx, commands.System(node), commands.RevokeUnused{Still: l.Freshness.Fresh, Spared: spared})
}
