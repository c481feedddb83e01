package ledger

import (
	"context"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// The operations that change tokens. Each sets the command's tenant to the one
// that the caller was admitted to.

// Generate needs tokens:write.
func (l *Ledger) Generate(ctx context.Context, s auth.Session, cmd commands.Generate) (_ commands.Generated, err error) {
	if cmd.Tenant, err = l.enter(ctx, s, commands.TokensWrite, cmd.Tenant); err != nil {
		return commands.Generated{}, err
	}
	return l.Handler.Generate(ctx, s.Caller, cmd)
}

// Revoke needs tokens:revoke.
func (l *Ledger) Revoke(ctx context.Context, s auth.Session, cmd commands.Revoke) (_ commands.Changed, err error) {
	if cmd.Tenant, err = l.enterToken(ctx, s, commands.TokensRevoke, cmd.ID); err != nil {
		return commands.Changed{}, err
	}
	return l.Handler.Revoke(ctx, s.Caller, cmd)
}

// RevokeMany needs tokens:revoke.
func (l *Ledger) RevokeMany(ctx context.Context, s auth.Session, cmd commands.RevokeMany) (_ commands.RevokedMany, err error) {
	if cmd.Tenant, err = l.enter(ctx, s, commands.TokensRevoke, cmd.Tenant); err != nil {
		return commands.RevokedMany{}, err
	}
	return l.Handler.RevokeMany(ctx, s.Caller, cmd)
}

// Rotate needs tokens:write.
func (l *Ledger) Rotate(ctx context.Context, s auth.Session, cmd commands.Rotate) (_ commands.Generated, err error) {
	if cmd.Tenant, err = l.enterToken(ctx, s, commands.TokensWrite, cmd.ID); err != nil {
		return commands.Generated{}, err
	}
	return l.Handler.Rotate(ctx, s.Caller, cmd)
}

// Update needs tokens:write. allow, if not nil, is asked about the record that there is
// before it is changed.
func (l *Ledger) Update(ctx context.Context, s auth.Session, cmd commands.Update, allow func(tokens.Record) error) (_ commands.Changed, err error) {
	if cmd.Tenant, err = l.enterToken(ctx, s, commands.TokensWrite, cmd.ID); err != nil {
		return commands.Changed{}, err
	}
	if allow != nil {
		cmd.Allow = func(t tokens.Token) error {
			r, err := l.Record(t)
			if err != nil {
				return err
			}
			return allow(r)
		}
	}
	return l.Handler.Update(ctx, s.Caller, cmd)
}

// Suspend needs tokens:revoke.
func (l *Ledger) Suspend(ctx context.Context, s auth.Session, cmd commands.Suspend) (_ commands.Changed, err error) {
	if cmd.Tenant, err = l.enterToken(ctx, s, commands.TokensRevoke, cmd.ID); err != nil {
		return commands.Changed{}, err
	}
	return l.Handler.Suspend(ctx, s.Caller, cmd)
}

// Resume needs tokens:revoke.
func (l *Ledger) Resume(ctx context.Context, s auth.Session, cmd commands.Resume) (_ commands.Changed, err error) {
	if cmd.Tenant, err = l.enterToken(ctx, s, commands.TokensRevoke, cmd.ID); err != nil {
		return commands.Changed{}, err
	}
	return l.Handler.Resume(ctx, s.Caller, cmd)
}
