package ledger

import (
	"context"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// Validate needs tokens:validate. The verdict is about tokens of the caller's
// tenant; only root is told of others. The verdict, and the use of the caller's
// own token, are on record when it returns.
func (l *Ledger) Validate(ctx context.Context, s auth.Session, cmd commands.Validate, minSeq uint64) (commands.Verdict, error) {
	if _, err := l.authorize(ctx, s, commands.TokensValidate, ""); err != nil {
		return commands.Verdict{}, err
	}
	if !s.Holds(commands.Root) {
		cmd.Tenant = s.Tenant
	}
	v, err := l.judge(ctx, cmd, minSeq)
	if err != nil {
		return v, err
	}
	use := v.Use(s.Actor, s.Tenant, cmd, l.Now())
	over := l.Auth.Failures.Judge(&use, s.Actor.TokenID, cmd.ClientIP)
	if err := l.Uses.Record(ctx, append(s.TakeUse(), use)...); err != nil {
		return v, err
	}
	return v, over
}

func (l *Ledger) judge(ctx context.Context, cmd commands.Validate, minSeq uint64) (commands.Verdict, error) {
	if err := cmd.Check(); err != nil {
		return commands.Verdict{}, err
	}
	if err := l.reach(ctx, minSeq); err != nil {
		return commands.Verdict{}, err
	}
	v, err := l.Judge.Judge(ctx, cmd)
	if err != nil {
		return v, err
	}
	// A revocation elsewhere may have come while this was judged; an answer has
	// to be fresh when it goes out.
	return v, l.Freshness.Fresh()
}
