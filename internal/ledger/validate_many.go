package ledger

import (
	"context"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// ValidateMany is Validate for up to [commands.MaxValidations] tokens: the caller is
// admitted once, and all verdicts, and the use of the caller's own token, are put on
// record together before it returns. Where one of the validations cannot be made, none is.
func (l *Ledger) ValidateMany(ctx context.Context, s auth.Session, cmds []commands.Validate, minSeq uint64) (verdicts []commands.Verdict, asOf uint64, err error) {
	if _, err := l.authorize(ctx, s, commands.TokensValidate, ""); err != nil {
		return nil, 0, err
	}
	if err := commands.CheckMany(cmds); err != nil {
		return nil, 0, err
	}
	if !s.Holds(commands.Root) {
		for i := range cmds {
			cmds[i].Tenant = s.Tenant
		}
	}
	if err := l.reach(ctx, minSeq); err != nil {
		return nil, 0, err
	}
	if verdicts, asOf, err = l.Judge.JudgeMany(ctx, cmds); err != nil {
		return nil, 0, err
	}
	// As for one: the answer has to be fresh when it goes out.
	if err := l.Freshness.Fresh(); err != nil {
		return nil, 0, err
	}
	uses, now := s.TakeUse(), l.Now()
	for i, v := range verdicts {
		use := v.Use(s.Actor, s.Tenant, cmds[i], now)
		// Above the bound of failures the record is shortened; the others of the batch
		// are to be answered all the same, so nothing is refused here.
		_ = l.Auth.Failures.Judge(&use, s.Actor.TokenID, cmds[i].ClientIP)
		uses = append(uses, use)
	}
	return verdicts, asOf, l.Uses.Record(ctx, uses...)
}
