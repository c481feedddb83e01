package ledger

import (
	"context"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// ValidateMany is Validate for up to [commands.MaxValidations] tokens: the caller is
// admitted once, and all verdicts, and the use of the caller's own token, are put on
// record together before it returns. Where one of the validations cannot be made, none is.
//
// over has, for a token that is not good, the error of the bound on failures where it was
// passed: its reason is not to be told. The others are answered all the same.
func (l *Ledger) ValidateMany(ctx context.Context, s auth.Session, cmds []commands.Validate, minSeq uint64) (verdicts []commands.Verdict, over []error, asOf uint64, err error) {
	if _, err := l.authorize(ctx, s, commands.TokensValidate, ""); err != nil {
		return nil, nil, 0, err
	}
	if err := commands.CheckMany(cmds); err != nil {
		return nil, nil, 0, err
	}
	if !s.Holds(commands.Root) {
		for i := range cmds {
			cmds[i].Tenant = s.Tenant
		}
	}
	if err := l.reach(ctx, minSeq); err != nil {
		return nil, nil, 0, err
	}
	if verdicts, asOf, err = l.Judge.JudgeMany(ctx, cmds); err != nil {
		return nil, nil, 0, err
	}
	// As for one: the answer has to be fresh when it goes out.
	if err := l.Freshness.Fresh(); err != nil {
		return nil, nil, 0, err
	}
	uses, now := s.TakeUse(), l.Now()
	over = make([]error, len(verdicts))
	for i, v := range verdicts {
		use := v.Use(s.Actor, s.Tenant, cmds[i], now)
		over[i] = l.Auth.Failures.Judge(&use, s.Actor.TokenID, cmds[i].ClientIP)
		uses = append(uses, use)
	}
	return verdicts, over, asOf, l.Uses.Record(ctx, uses...)
}
