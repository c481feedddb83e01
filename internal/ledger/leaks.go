package ledger

import (
	"context"
	"log/slog"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// ReportLeaks needs tokens:revoke. The reporter is told of tokens of its own tenant,
// and with root of all.
func (l *Ledger) ReportLeaks(ctx context.Context, s auth.Session, leaks []commands.Leak) (commands.ReportedLeaks, error) {
	tenant, err := l.enter(ctx, s, commands.TokensRevoke, "")
	if err != nil {
		return commands.ReportedLeaks{}, err
	}
	if s.Holds(commands.Root) {
		tenant = ""
	}
	return l.reportLeaks(ctx, s, tenant, leaks)
}

// ReportSignedLeaks is for a reporter whose message was verified by its signature
// ([auth.Verified]): it reaches the tokens of all tenants, since it has no tenant of its
// own, and does not know whose a token is. It may show tokens only, no hashes.
func (l *Ledger) ReportSignedLeaks(ctx context.Context, s auth.Session, leaks []commands.Leak) (commands.ReportedLeaks, error) {
	if _, err := l.enter(ctx, s, commands.TokensRevoke, ""); err != nil {
		return commands.ReportedLeaks{}, err
	}
	return l.reportLeaks(ctx, s, "", leaks)
}

func (l *Ledger) reportLeaks(ctx context.Context, s auth.Session, tenant string, leaks []commands.Leak) (commands.ReportedLeaks, error) {
	// A token may have been generated on another node a moment ago, and leaked by the
	// same script.
	for i := range leaks {
		if err := l.Judge.Await(ctx, leaks[i].Token); err != nil {
			return commands.ReportedLeaks{}, err
		}
	}
	out, err := l.Handler.ReportLeaks(ctx, s.Caller, commands.ReportLeaks{Tenant: tenant, Leaks: leaks})
	if err != nil {
		return out, err
	}
	for i := range out.Leaks {
		l.logLeak(ctx, s, &out.Leaks[i])
	}
	return out, nil
}

// logLeak tells the operator of a leaked token. One that can do everything and was left
// good is for a person to see to at once.
func (l *Ledger) logLeak(ctx context.Context, s auth.Session, leak *commands.Leaked) {
	if !leak.Known {
		return
	}
	t := &leak.Token
	good := leak.StillGood(l.Now())
	level, msg := slog.LevelInfo, "a token was reported as leaked again"
	switch {
	case good && t.HasScope(tokens.ScopeRoot):
		level, msg = slog.LevelError, "a token that holds ledger:root has leaked and IS STILL GOOD: generate another root token, then revoke this one"
	case good:
		level, msg = slog.LevelWarn, "a token has leaked and is still good"
	case leak.Recorded:
		level, msg = slog.LevelWarn, "a token has leaked"
	}
	l.Logger.Log(ctx, level, msg, "token", t.ID.String(), "tenant", t.Tenant, "status", string(t.Status(l.Now())),
		"action", string(leak.Action), "why", leak.Why, "reporter", s.Actor.ID, "request_id", s.Origin.RequestID)
}
