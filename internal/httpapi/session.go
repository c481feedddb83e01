package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/signin"
	"github.com/tokenledger/tokenledger/internal/wire"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// sessionRoutes is how people sign in and out.
func sessionRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	const off, gone = http.StatusNotFound, http.StatusGatewayTimeout
	return []route{
		{method: get, path: "/v1/session/login", access: accessOpen, status: http.StatusSeeOther, more: []int{off}, handle: login,
			query:   []string{"tenant", "redirect_uri", "state", "code_challenge", "code_challenge_method"},
			summary: "Sends a person to the issuer to sign in. With redirect_uri and the three behind it, a program on the person's machine gets a code in the end."},
		{method: get, path: "/v1/session/callback", access: accessOpen, status: http.StatusOK, media: "text/html; charset=utf-8", handle: callback,
			more:    []int{http.StatusSeeOther, http.StatusForbidden, off, http.StatusConflict, gone},
			query:   []string{"code", "state", "iss", "error", "error_description"},
			summary: "Where the issuer sends people back to. Opens the session and answers with a page for people, or sends the browser on to the program that waits."},
		{method: post, path: "/v1/session/token", access: accessOpen, status: http.StatusOK, in: api.SessionTokenRequest{}, out: api.SessionOpened{}, more: []int{off, gone}, handle: sessionToken,
			summary: "Opens the session that a program's code stands for. The answer is the only time its token is seen."},
		{method: get, path: "/v1/session", status: http.StatusOK, out: api.Session{}, handle: whoAmI,
			summary: "Who calls: a token or a person, what it may, and until when."},
		{method: post, path: "/v1/session/logout", status: http.StatusOK, out: api.Token{}, writes: true, more: []int{http.StatusForbidden, http.StatusConflict}, handle: logout,
			summary: "Ends the caller's own session."},
	}
}

// login begins a sign-in. Nothing is remembered here: the browser keeps it, sealed.
func login(c *call) error {
	if err := c.checkQuery(); err != nil {
		return c.personProblem(err, signin.Want{})
	}
	want, err := c.want()
	if err != nil {
		return c.personProblem(err, signin.Want{})
	}
	to, sealed, err := c.api.Ledger.BeginSignIn(c.r.Context(), want)
	if err != nil {
		return c.personProblem(err, want)
	}
	// Lax: the issuer sends the browser back from another site.
	c.setCookie(attemptCookie, sealed, signin.AttemptLife(), http.SameSiteLaxMode)
	c.redirect(to)
	return nil
}

// want reads what is wanted of a sign-in.
func (c *call) want() (signin.Want, error) {
	q := c.r.URL.Query()
	want := signin.Want{Tenant: q.Get("tenant")}
	given := 0
	for _, name := range []string{"redirect_uri", "state", "code_challenge", "code_challenge_method"} {
		if q.Has(name) {
			given++
		}
	}
	switch {
	case given == 0:
		return want, nil
	case given < 4 || q.Get("code_challenge_method") != "S256":
		return want, &commands.Error{Kind: commands.Invalid, Code: "redirect_invalid",
			Detail: "a program gives redirect_uri, state, code_challenge and code_challenge_method=S256, all of them; nobody was sent anywhere", Hint: "to sign in with the browser alone, give none of them"}
	}
	want.Program = &signin.Program{RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), Challenge: q.Get("code_challenge")}
	return want, nil
}

// callback takes a person back from the issuer.
func callback(c *call) error {
	sealed, err := c.cookie(attemptCookie)
	if err != nil {
		return c.personProblem(err, signin.Want{})
	}
	c.setCookie(attemptCookie, "", 0, http.SameSiteLaxMode) // it was good once
	// What else issuers add is theirs; what is read here comes once.
	q := c.r.URL.Query()
	for _, name := range c.route.query {
		if len(q[name]) > 1 {
			return c.personProblem(&commands.Error{Kind: commands.Invalid, Code: "query_invalid", Detail: "the query gives " + name + " more than once", Hint: "give it once"}, signin.Want{})
		}
	}
	out, want, err := c.api.Ledger.FinishSignIn(c.r.Context(), c.origin(), sealed, signin.Response{
		Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error"),
	})
	if err != nil {
		return c.personProblem(err, want)
	}
	if out.Redirect != "" {
		c.redirect(out.Redirect)
		return nil
	}
	c.setCookie(sessionCookie, out.Secret.Reveal(), out.Token.ExpiresAt.Sub(c.api.Ledger.Now()), http.SameSiteStrictMode)
	c.seq(out.Seq, false)
	return c.page(http.StatusOK, signedInPage(out))
}

func signedInPage(out ledger.SignInFinished) page {
	return page{
		Title: "Signed in", Lines: []line{
			{"who", out.Token.Person.Name}, {"subject", out.Token.Person.Subject}, {"issuer", out.Token.Person.Issuer},
			{"tenant", out.Tenant}, {"roles", strings.Join(out.Roles, ", ")},
			{"until", out.Token.ExpiresAt.Format("2006-01-02 15:04:05 UTC")}, {"session", out.Token.ID.String()},
		}, SignOut: true,
	}
}

// sessionToken gives a program the session that its code stands for.
func sessionToken(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	var in api.SessionTokenRequest
	if err := c.into(&in); err != nil {
		return err
	}
	out, err := c.api.Ledger.RedeemSignIn(c.r.Context(), c.origin(), in.Code, in.CodeVerifier)
	if err != nil {
		c.noteRefusal(err)
		return err
	}
	c.seq(out.Seq, false)
	return c.json(http.StatusOK, api.SessionOpened{Secret: out.Secret.Reveal(), Roles: out.Roles, Token: record(tokens.Record{Token: out.Token}, c.api.Ledger.Now())})
}

func whoAmI(c *call) error {
	expiresAt, err := c.api.Ledger.WhoAmI(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	s := c.session
	return c.json(http.StatusOK, api.Session{
		Actor: api.Actor{Type: s.Actor.Type, ID: s.Actor.ID, Name: s.Actor.Name}, TokenID: s.Actor.TokenID.String(),
		Tenant: s.Tenant, Scopes: append([]string{}, s.Scopes...), Roles: append([]string{}, commands.RolesOf(s.Scopes)...), ExpiresAt: timeOrNone(expiresAt),
	})
}

func logout(c *call) error {
	out, err := c.api.Ledger.SignOut(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	c.setCookie(sessionCookie, "", 0, http.SameSiteStrictMode)
	c.seq(out.Seq, out.Replayed)
	if c.wantsPage() {
		return c.page(http.StatusOK, page{Title: "Signed out", Text: "Your session has ended, on every node."})
	}
	t, err := c.api.Ledger.Record(out.Token)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, record(t, c.api.Ledger.Now()))
}

// redirect sends the browser on with a GET.
func (c *call) redirect(to string) {
	h := c.w.Header()
	h.Set("Location", to)
	h.Set("Referrer-Policy", "no-referrer")
	c.status = http.StatusSeeOther
	c.w.WriteHeader(c.status)
}

// noteRefusal logs why somebody was not signed in. There is no event of it: nobody acted.
func (c *call) noteRefusal(err error) {
	if e, ok := errors.AsType[*commands.Error](err); ok && wire.StatusOf(e.Kind) < 500 {
		c.api.Logger.Info("a person was not signed in", "code", e.Code, "detail", e.Detail, "cause", fmt.Sprint(e.Cause), "ip", remoteIP(c.r), "request_id", c.requestID)
	}
}
