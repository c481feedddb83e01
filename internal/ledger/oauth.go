package ledger

import (
	"context"
	"errors"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// SignInAs is [Ledger.SignIn] for a caller that names, beside its token, the id that the
// token is to have. Another id is recorded as a rejection of the token.
func (l *Ledger) SignInAs(ctx context.Context, id ulid.ULID, bearer secret.Secret, origin events.Origin, resource string) (auth.Session, error) {
	s, err := l.SignIn(ctx, bearer, origin, resource)
	if err != nil || s.Actor.TokenID == id {
		return s, err
	}
	s.Refuse(commands.Malformed)
	return auth.Session{}, errors.Join(l.Finish(ctx, s), commands.NotGood())
}

// Introspect is [Ledger.Validate] with the whole record of a token that is good.
func (l *Ledger) Introspect(ctx context.Context, s auth.Session, cmd commands.Validate) (t tokens.Token, active bool, err error) {
	v, err := l.Validate(ctx, s, cmd, 0)
	if e, ok := errors.AsType[*commands.Error](err); ok && e.Kind == commands.TooMany {
		return t, false, nil // one bad token of many is not active either
	}
	if err != nil || !v.Active() {
		return t, false, err
	}
	t, ok, err := l.State.Token(v.Token.ID)
	return t, ok && err == nil, commands.Unreadable(err)
}

// RevokePresented revokes the token that is presented, as its bearer asks (RFC 7009). It
// needs tokens:revoke, unless it is the very token that the caller signed in with: every
// token may end itself.
//
// A string that is no token, or none that the caller may know of, changes nothing, is
// recorded as a rejection, and is no error. What a token was presented for does not
// matter: one that is expired, suspended or bound to another network is revoked like any
// other. After an error it is not revoked, but for the kind UnknownOutcome.
func (l *Ledger) RevokePresented(ctx context.Context, s auth.Session, presented secret.Secret) error {
	cmd := commands.Revoke{Why: commands.Why{Code: events.ReasonRequested}}
	if s.Bears(presented) {
		if err := l.enterOwn(ctx, s); err != nil {
			return err
		}
		cmd.Tenant, cmd.ID = s.Tenant, s.Actor.TokenID
		_, err := l.Handler.Revoke(ctx, s.Caller, cmd)
		return err
	}
	if _, err := l.authorize(ctx, s, commands.TokensRevoke, ""); err != nil {
		return err
	}
	asked := commands.Validate{Token: presented}
	if !s.Holds(commands.Root) {
		asked.Tenant = s.Tenant
	}
	v, err := l.judge(ctx, asked, 0)
	if err != nil {
		return err
	}
	uses := s.TakeUse()
	known := true
	switch v.Reason {
	case commands.Malformed, commands.Unknown, commands.BadSecret:
		known = false
		use := v.Use(s.Actor, s.Tenant, asked, l.Now())
		_ = l.Auth.Failures.Judge(&use, s.Actor.TokenID, asked.ClientIP) // shortens the record; the answer is the same
		uses = append(uses, use)
	}
	if err := l.Uses.Record(ctx, uses...); err != nil || !known {
		return err
	}
	cmd.Tenant, cmd.ID = v.Token.Tenant, v.Token.ID
	_, err = l.Handler.Revoke(ctx, s.Caller, cmd)
	return err
}

// enterOwn admits a session to what every token may do to itself.
func (l *Ledger) enterOwn(ctx context.Context, s auth.Session) error {
	if err := l.Freshness.Fresh(); err != nil {
		return err
	}
	if err := l.Auth.Still(ctx, s); err != nil {
		return err
	}
	return l.Uses.Record(ctx, s.TakeUse()...)
}
