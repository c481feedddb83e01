package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

// Response is what the issuer sent the browser back with (OpenID Connect Core 1.0,
// sections 3.1.2.5 and 3.1.2.6; RFC 9207 for Issuer).
type Response struct {
	Code, State, Issuer string
	// Error is the issuer's code for why not.
	Error string
}

// Identity is a person as verified.
type Identity struct {
	Person events.Person
	Groups []string
}

// Finish verifies what the issuer says of the person whom the browser brings back.
// sealed is what Begin gave this browser.
func (p *Party) Finish(ctx context.Context, sealed string, r Response) (Identity, Want, error) {
	var a attempt
	if sealed == "" || p.seal.open(sealed, &a) != nil || !p.now().Before(a.Until) {
		return Identity{}, Want{}, &commands.Error{Kind: commands.Invalid, Code: "sign_in_expired",
			Detail: "this browser has begun no sign-in that could be finished here, or took longer than ten minutes, or the node was started anew; no session was made",
			Hint:   "begin again, at the ledger's public URL and with cookies allowed"}
	}
	if subtle.ConstantTimeCompare([]byte(a.State), []byte(r.State)) != 1 {
		return Identity{}, Want{}, mismatch("it belongs to another sign-in than the one that this browser began")
	}
	is, err := p.issuer(ctx)
	if err != nil {
		return Identity{}, a.Want, err
	}
	if r.Issuer != "" && r.Issuer != p.cfg.Issuer || r.Issuer == "" && is.namesItself {
		return Identity{}, Want{}, mismatch("it is not the answer of this ledger's issuer")
	}
	if r.Error != "" {
		return Identity{}, a.Want, refused("the issuer did not sign you in", errors.New(r.Error))
	}
	if r.Code == "" {
		return Identity{}, a.Want, mismatch("it bears no code")
	}
	select {
	case p.finishing <- struct{}{}:
		defer func() { <-p.finishing }()
	default:
		return Identity{}, a.Want, tooMany("too many sign-ins wait for the issuer")
	}
	ctx = oidc.ClientContext(ctx, p.http)
	token, err := is.client.Exchange(ctx, r.Code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return Identity{}, a.Want, exchangeFailed(err)
	}
	who, err := p.identify(ctx, is, a, token)
	return who, a.Want, err
}

func tooMany(what string) error {
	return &commands.Error{Kind: commands.Unavailable, Code: "too_many_sign_ins", Detail: what + "; no session was made", Hint: "try again in a minute"}
}

func mismatch(what string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "sign_in_mismatch",
		Detail: "what the browser brought back cannot be taken: " + what + "; no session was made", Hint: "begin again; if somebody sent you a link that led here, do not follow it"}
}

func refused(what string, cause error) error {
	return &commands.Error{Kind: commands.Forbidden, Code: "sign_in_refused",
		Detail: what + "; no session was made", Hint: "begin again; if it stays so, ask the operator, who finds the cause in the node's log", Cause: brief(cause)}
}

// exchangeFailed tells a code that the issuer refuses from an issuer that does not work.
func exchangeFailed(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		// Its text repeats the whole answer.
		cause := fmt.Errorf("the token endpoint answered %d %s %s", e.Response.StatusCode, e.ErrorCode, e.ErrorDescription)
		if e.Response.StatusCode/100 == 4 {
			return refused("the issuer does not take the code that the browser brought back: it was used before, is too old, or was given to another", cause)
		}
		return unavailable("it does not exchange codes", cause)
	}
	return unavailable("it does not exchange codes", err)
}

// identify verifies the id token and reads the person out of it, and out of the
// issuer's userinfo where it says too little.
func (p *Party) identify(ctx context.Context, is *issuer, a attempt, token *oauth2.Token) (Identity, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Identity{}, untrue("there is none", nil)
	}
	id, err := is.verifier.Verify(ctx, raw)
	if err != nil {
		if _, expired := errors.AsType[*oidc.TokenExpiredError](err); expired {
			return Identity{}, untrue("it has expired; the clocks of the issuer and of this node may differ", err)
		}
		return Identity{}, untrue("its signature, its issuer, its audience or its form is wrong", err)
	}
	var all claims
	if err := id.Claims(&all); err != nil {
		return Identity{}, untrue("its claims cannot be read", err)
	}
	azp, err := all.text("azp")
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) != 1:
		return Identity{}, untrue("it is not about this sign-in (nonce)", nil)
	case err != nil, azp != "" && azp != p.cfg.ClientID, azp == "" && len(slices.Compact(slices.Sorted(slices.Values(id.Audience)))) > 1:
		return Identity{}, untrue("it was made for another client (azp)", err)
	case id.IssuedAt.IsZero() || id.IssuedAt.After(p.now().Add(5*skew)):
		return Identity{}, untrue("it does not say when it was made, or lies in the future (iat)", nil)
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return Identity{}, untrue("it belongs to another access token (at_hash)", err)
		}
	}
	if !all.has(p.cfg.GroupsClaim) || all.name(p.cfg.NameClaim) == "" {
		if err := all.addUserInfo(ctx, is.provider, token, id.Subject); err != nil && !all.has(p.cfg.GroupsClaim) {
			return Identity{}, err
		}
	}
	groups, err := all.groups(p.cfg.GroupsClaim)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		Person: events.Person{Issuer: p.cfg.Issuer, Subject: id.Subject, Name: all.name(p.cfg.NameClaim)},
		Groups: groups,
	}, nil
}

func untrue(what string, cause error) error {
	return &commands.Error{Kind: commands.Forbidden, Code: "id_token_refused",
		Detail: "the id token that the issuer gave cannot be taken: " + what + "; no session was made", Hint: "begin again; if it stays so, the operator compares the issuer's client with --oidc-client-id and --oidc-issuer", Cause: brief(cause)}
}
