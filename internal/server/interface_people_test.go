package server_test

import (
	"net/http"
	"strings"
)

// The requests of people's sign-in depend on an issuer; a node without one answers them
// as if nobody had begun.

// sessionHeader is a session of a person who may what is asked.
func (v victim) sessionHeader() []string {
	if v.n == nil || v.n.issuer == nil {
		return nil
	}
	return []string{"Authorization", "Bearer " + v.n.session("anil")}
}

func (v victim) comingBack(person string) asked {
	if v.n == nil || v.n.issuer == nil {
		return asked{path: "/v1/session/callback?code=x&state=y"}
	}
	return v.n.returning(person, "/v1/session/login")
}

func (v victim) redeeming() asked {
	p := newProgram()
	code := "x"
	if v.n != nil && v.n.issuer != nil {
		code = v.n.codeFor(p, "anil")
	}
	return asked{path: "/v1/session/token", body: redeem(code, p.verifier)}
}

// provokePeople is provoke where a status needs people to be got.
func (w *statusWorld) provokePeople(o operation, v victim, want int) (a asked, token string, on *node) {
	switch n := w.n; {
	case want == http.StatusNotFound && strings.HasPrefix(o.path, "/v1/session/"): // where people cannot sign in
		return asked{path: map[string]string{
			"get-v1-session-login": "/v1/session/login", "get-v1-session-callback": "/v1/session/callback?code=x&state=y", "post-v1-session-token": "/v1/session/token",
		}[o.id], body: redeem("x", "y")}, "", w.flooded
	case o.id == "get-v1-session-callback" && want == http.StatusSeeOther:
		return n.returning("anil", newProgram().login()), "", n
	case o.id == "get-v1-session-callback" && want == http.StatusForbidden:
		return v.comingBack("eve"), "", n
	case o.id == "get-v1-session-callback" && want == http.StatusConflict:
		return v.comingBack("cleo"), "", n
	case o.id == "post-v1-session-logout" && want == http.StatusForbidden:
		return asked{path: "/v1/session/logout", headers: []string{"Cookie", "tokenledger_session=" + n.session("anil"), "Origin", "https://evil.example"}}, "", n
	case o.id == "post-v1-session-logout" && want == http.StatusConflict:
		return asked{path: "/v1/session/logout"}, n.token, n
	case o.id == "post-v1-session-logout" && (want == http.StatusUnauthorized || want == http.StatusTooManyRequests):
		return asked{path: "/v1/session/logout"}, fresh(), map[bool]*node{true: n, false: w.flooded}[want == http.StatusUnauthorized]
	}
	return asked{}, "", nil
}
