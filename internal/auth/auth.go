// Package auth settles who calls and what he may. Authenticate turns a presented
// token into a caller; Authorize is the one place where a caller's permissions
// are held against an operation, for every transport.
package auth

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
)

// Recorder keeps the outcome of validations.
type Recorder interface {
	// Record returns once the uses are as durable as the node promises.
	Record(ctx context.Context, uses ...commands.Use) error
}

// Authenticator recognises callers by the ledger's own tokens.
type Authenticator struct {
	Judge *commands.Judge
	Uses  Recorder
	// Failures bounds how often tokens that are not good are presented; nil does not.
	Failures *Failures
	// Node is who asks when a caller signs in: the node itself.
	Node events.Actor
	Now  func() time.Time
}

// Session is a caller whose token was found good, with the record of that use,
// which is still to be kept: nothing is answered to the caller before it is.
type Session struct {
	commands.Caller
	signedIn *signedIn
}

type signedIn struct {
	// verdict is the one by which the caller's token was found good.
	verdict commands.Verdict
	use     commands.Use
	taken   bool
}

// TakeUse gives the record of the use of the caller's token, the first time that
// it is asked for. Whoever takes it has it recorded, together with what else
// there is to record.
func (s Session) TakeUse() []commands.Use {
	if s.signedIn == nil || s.signedIn.taken {
		return nil
	}
	s.signedIn.taken = true
	return []commands.Use{s.signedIn.use}
}

// Bears reports whether presented is the very token that the caller signed in with.
func (s Session) Bears(presented secret.Secret) bool {
	return s.signedIn != nil && presented.Reveal() != "" && presented.Matches(s.signedIn.verdict.Token.Hash)
}

// Refuse turns the record of the use of the caller's token into that of a rejection:
// the token was good, and what was sent with it was not.
func (s Session) Refuse(reason commands.Reason) {
	if s.signedIn != nil {
		s.signedIn.use.Reason = string(reason)
	}
}

// Authenticate judges the bearer token of a request for resource. A token that
// is not good is recorded as rejected, and the error does not say why: its bearer
// may be a thief.
func (a *Authenticator) Authenticate(ctx context.Context, bearer secret.Secret, origin events.Origin, resource string) (Session, error) {
	if bearer.Reveal() == "" {
		return Session{}, &commands.Error{Kind: commands.Unauthenticated, Code: "no_token",
			Detail: "the request bears no token", Hint: `send "Authorization: Bearer tl_…" with a token of this ledger`}
	}
	asked := askedBy(origin, resource)
	asked.Token = bearer
	v, err := a.Judge.Judge(ctx, asked)
	if err != nil {
		return Session{}, err
	}
	return a.admit(ctx, v, asked, origin)
}

// Recognize judges the token of a caller who has authenticated before, and whom the
// transport knows again for certain by the token's id: on a connection that was opened
// with it. It takes what Authenticate takes but the secret, and is recorded as that is.
func (a *Authenticator) Recognize(ctx context.Context, id ulid.ULID, origin events.Origin, resource string) (Session, error) {
	asked := askedBy(origin, resource)
	v, err := a.Judge.JudgeHolder(ctx, id, asked)
	if err != nil {
		return Session{}, err
	}
	return a.admit(ctx, v, asked, origin)
}

func askedBy(origin events.Origin, resource string) commands.Validate {
	asked := commands.Validate{UserAgent: origin.UserAgent, Resource: resource}
	asked.ClientIP, _ = netip.ParseAddr(origin.IP)
	return asked
}

// admit gives the session of a caller whose token the verdict finds good.
func (a *Authenticator) admit(ctx context.Context, v commands.Verdict, asked commands.Validate, origin events.Origin) (Session, error) {
	use := v.Use(a.Node, events.DefaultTenant, asked, a.Now())
	if !v.Active() {
		over := a.Failures.Judge(&use, ulid.ULID{}, asked.ClientIP)
		if err := a.Uses.Record(ctx, use); err != nil {
			return Session{}, err
		}
		if over != nil {
			return Session{}, over
		}
		return Session{}, commands.NotGood()
	}
	actor, err := a.Judge.Actor(v)
	if err != nil {
		return Session{}, err
	}
	return Session{
		Caller: commands.Caller{
			Actor: actor, Origin: origin, Tenant: v.Token.Tenant, Scopes: v.Token.Scopes,
		},
		signedIn: &signedIn{verdict: v, use: use},
	}, nil
}

// Still refuses a session whose token has ended since it was found good, and
// records that: between signing in and an operation lies the reading of a body,
// which takes as long as its sender likes.
func (a *Authenticator) Still(ctx context.Context, s Session) error {
	if s.signedIn == nil {
		return nil // it never signed in: Authorize finds that it holds nothing
	}
	reason, err := a.Judge.Since(s.signedIn.verdict)
	if err != nil || reason == "" {
		return err
	}
	uses := s.TakeUse()
	for i := range uses {
		uses[i].Reason = string(reason)
	}
	return errors.Join(a.Uses.Record(ctx, uses...), commands.NotGood())
}

// Authorize holds the caller against what an operation needs, and gives the
// tenant that it works on: the one asked for, or else the caller's own. An operation that
// needs nothing is open to every caller whose token is good.
func Authorize(c commands.Caller, need commands.Permission, tenant string) (string, error) {
	switch {
	case need == "" && c.Actor.TokenID.IsZero():
		return "", commands.NotGood() // it never signed in
	case need != "" && !c.Holds(need):
		return "", &commands.Error{Kind: commands.Forbidden, Code: "permission_missing",
			Detail: "your token does not hold the permission " + need, Hint: "ask an admin of the ledger for a token that holds it"}
	}
	if tenant == "" || tenant == c.Tenant {
		return c.Tenant, nil
	}
	if !events.ValidTenant(tenant) {
		return "", &commands.Error{Kind: commands.Invalid, Code: "tenant_invalid",
			Detail: "the tenant is not of the form [a-z0-9][a-z0-9-]{0,62}", Hint: "write it in lower case, with digits and hyphens"}
	}
	if !c.Holds(commands.Root) {
		return "", &commands.Error{Kind: commands.Forbidden, Code: "wrong_tenant",
			Detail: "your token belongs to another tenant than the one you ask for", Hint: "leave the tenant out to work on your own; only " + commands.Root + " reaches all of them"}
	}
	return tenant, nil
}
