package ledger

import (
	"context"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/signin"
)

// The way in for people: no token of the ledger admits them, but what their issuer says
// of them. Which sessions come of it is decided by commands.SignIn.

// people gives the relying party, if this node has one and is fresh.
func (l *Ledger) people() (*signin.Party, error) {
	if l.People == nil {
		return nil, &commands.Error{Kind: commands.NotFound, Code: "sign_in_off",
			Detail: "people cannot sign in at this node: it knows no issuer", Hint: "call with a token; the operator sets up sign-in with --oidc-issuer (docs/sign-in.md)"}
	}
	return l.People, l.Freshness.Fresh()
}

// BeginSignIn gives the URL of the issuer to send a person to, and what the browser
// keeps meanwhile.
func (l *Ledger) BeginSignIn(ctx context.Context, want signin.Want) (url, sealed string, err error) {
	p, err := l.people()
	if err != nil {
		return "", "", err
	}
	if want.Tenant != "" && !events.ValidTenant(want.Tenant) {
		return "", "", &commands.Error{Kind: commands.Invalid, Code: "tenant_invalid",
			Detail: "the tenant is not of the form [a-z0-9][a-z0-9-]{0,62}", Hint: "write it in lower case, with digits and hyphens"}
	}
	return p.Begin(ctx, want)
}

// SignInFinished is how a sign-in ended: with a session, or with a program to which the
// browser is to be sent.
type SignInFinished struct {
	commands.SignedIn
	// Redirect is the program's address with a code, if the sign-in was for one.
	Redirect string
}

// FinishSignIn opens the session of a person who comes back from the issuer. Also with
// an error it gives what was wanted, as far as it is known, so that it can be wanted anew.
func (l *Ledger) FinishSignIn(ctx context.Context, origin events.Origin, sealed string, r signin.Response) (out SignInFinished, want signin.Want, err error) {
	p, err := l.people()
	if err != nil {
		return out, want, err
	}
	who, want, err := p.Finish(ctx, sealed, r)
	if err != nil {
		return out, want, err
	}
	cmd := commands.SignIn{Person: who.Person, Groups: who.Groups, Tenant: want.Tenant}
	if want.Program == nil {
		out.SignedIn, err = l.Handler.SignIn(ctx, origin, cmd)
		return out, want, err
	}
	// Said in the browser, where the person looks; decided again when the code comes.
	if _, err := l.Handler.MaySignIn(cmd); err != nil {
		return out, want, err
	}
	out.Redirect, err = p.Deliver(*want.Program, who, want.Tenant)
	return out, want, err
}

// RedeemSignIn opens the session that a program's code stands for.
func (l *Ledger) RedeemSignIn(ctx context.Context, origin events.Origin, code, verifier string) (commands.SignedIn, error) {
	p, err := l.people()
	if err != nil {
		return commands.SignedIn{}, err
	}
	who, tenant, err := p.Redeem(code, verifier)
	if err != nil {
		return commands.SignedIn{}, err
	}
	return l.Handler.SignIn(ctx, origin, commands.SignIn{Person: who.Person, Groups: who.Groups, Tenant: tenant})
}

// WhoAmI needs no permission: it tells the caller what its own token says of it, and
// when that ends (zero for never).
func (l *Ledger) WhoAmI(ctx context.Context, s auth.Session) (expiresAt time.Time, err error) {
	if _, err := l.enter(ctx, s, "", ""); err != nil {
		return time.Time{}, err
	}
	t, ok, err := l.State.Credential(s.Actor.TokenID)
	if err != nil || !ok {
		return time.Time{}, commands.Unreadable(err)
	}
	return t.ExpiresAt, nil
}

// SignOut ends the caller's own session, for which it needs no permission. A token that
// is no session is left alone.
func (l *Ledger) SignOut(ctx context.Context, s auth.Session) (commands.Changed, error) {
	if _, err := l.enter(ctx, s, "", ""); err != nil {
		return commands.Changed{}, err
	}
	if s.Actor.Type != events.ActorPerson {
		return commands.Changed{}, &commands.Error{Kind: commands.Conflict, Code: "not_a_session",
			Detail: "your token is no person's session, and signing out ends sessions; nothing was changed", Hint: "to end the token, revoke it"}
	}
	return l.Handler.Revoke(ctx, s.Caller, commands.Revoke{Tenant: s.Tenant, ID: s.Actor.TokenID, Why: commands.Why{Code: events.ReasonRequested, Reason: "signed out"}})
}
