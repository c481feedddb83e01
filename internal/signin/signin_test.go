package signin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/signin"
	"github.com/tokenledger/tokenledger/internal/signin/signintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const callback = "http://127.0.0.1:7480/v1/session/callback"

// people are the issuer's, with groups as issuers give them.
func people() map[string]any {
	return map[string]any{"anil": []string{"ops", "all"}, "bea": "all", "nobody": nil}
}

func config(i *signintest.Issuer) signin.Config {
	return signin.Config{
		Issuer: i.URL, ClientID: signintest.ClientID, ClientSecret: signintest.ClientSecret, Scopes: []string{"profile", "email"},
		GroupsClaim: "groups", NameClaim: "email", RedirectURL: callback,
	}
}

func newIssuer(t *testing.T) *signintest.Issuer {
	t.Helper()
	i := signintest.Start(t, people())
	i.Redirects(callback)
	return i
}

func newParty(t *testing.T, cfg signin.Config) *signin.Party {
	t.Helper()
	p, err := signin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// round begins a sign-in, has the person sign in at the issuer, and gives what the
// browser brings back.
func round(t *testing.T, p *signin.Party, person string) (sealed string, r signin.Response) {
	t.Helper()
	to, sealed, err := p.Begin(t.Context(), signin.Want{})
	if err != nil {
		t.Fatal(err)
	}
	return sealed, atIssuer(t, to, person)
}

func atIssuer(t *testing.T, to, person string) signin.Response {
	t.Helper()
	b := signintest.NewBrowser(t)
	defer b.CloseIdleConnections()
	b.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.String(), callback) }
	page := b.SignIn(to, person)
	back, err := url.Parse(page.Header.Get("Location"))
	if err != nil || page.Status != http.StatusFound {
		t.Fatalf("the issuer answered %d %s", page.Status, page.Body)
	}
	q := back.Query()
	return signin.Response{Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error")}
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*commands.Error](err)
	if !ok {
		t.Fatalf("an error of another kind: %v", err)
	}
	if e.Detail == "" || e.Hint == "" {
		t.Errorf("%s says too little: %q %q", e.Code, e.Detail, e.Hint)
	}
	return e.Code
}

func TestAPersonSignsIn(t *testing.T) {
	i := newIssuer(t)
	public := config(i)
	public.ClientID, public.ClientSecret = signintest.Native, ""
	for name, cfg := range map[string]signin.Config{"with a secret": config(i), "as a public client": public} {
		for _, inIDToken := range []bool{true, false} {
			i.InIDToken(inIDToken)
			p := newParty(t, cfg)
			sealed, r := round(t, p, "anil")
			who, _, err := p.Finish(t.Context(), sealed, r)
			if err != nil {
				t.Fatalf("%s, groups in the id token: %v: %v", name, inIDToken, err)
			}
			if who.Person.ID() != i.URL+"#anil" || who.Person.Name != "anil@acme.example" || strings.Join(who.Groups, " ") != "ops all" {
				t.Errorf("%s: %+v", name, who)
			}
			// A code is good once.
			if _, _, err := p.Finish(t.Context(), sealed, r); code(t, err) != "sign_in_refused" {
				t.Errorf("%s: the code again: %v", name, err)
			}
		}
	}
	p := newParty(t, config(i))
	sealed, r := round(t, p, "bea")
	if who, _, err := p.Finish(t.Context(), sealed, r); err != nil || len(who.Groups) != 1 || who.Groups[0] != "all" {
		t.Errorf("a group that is no list: %+v, %v", who, err)
	}
	sealed, r = round(t, p, "nobody")
	if _, _, err := p.Finish(t.Context(), sealed, r); code(t, err) != "groups_missing" {
		t.Errorf("no groups: %v", err)
	}
}

// What one browser brings back is good with what that browser began, and with nothing
// else.
func TestOnlyWhoBeganFinishes(t *testing.T) {
	i := newIssuer(t)
	p, other := newParty(t, config(i)), newParty(t, config(i))
	mine, r := round(t, p, "anil")
	theirs, s := round(t, p, "bea")
	tampered := []byte(mine)
	tampered[len(tampered)/2] ^= 1
	for _, tc := range []struct {
		name   string
		party  *signin.Party
		sealed string
		r      signin.Response
		code   string
	}{
		{"no cookie", p, "", r, "sign_in_expired"},
		{"a cookie that was changed", p, string(tampered), r, "sign_in_expired"},
		{"a cookie of another process", other, mine, r, "sign_in_expired"},
		{"a cookie that is none", p, strings.Repeat("A", 10_000), r, "sign_in_expired"},
		{"another browser's state", p, theirs, r, "sign_in_mismatch"},
		{"no state", p, mine, signin.Response{Code: r.Code}, "sign_in_mismatch"},
		{"no code", p, mine, signin.Response{State: r.State}, "sign_in_mismatch"},
		{"another issuer", p, mine, signin.Response{Code: r.Code, State: r.State, Issuer: "https://evil.example"}, "sign_in_mismatch"},
		{"an issuer that said no", p, mine, signin.Response{State: r.State, Error: "access_denied"}, "sign_in_refused"},
		// The verifier is another's, so the issuer does not take the code.
		{"another's code with one's own state", p, mine, signin.Response{Code: s.Code, State: r.State}, "sign_in_refused"},
		{"a code that is none", p, mine, signin.Response{Code: "x", State: r.State}, "sign_in_refused"},
	} {
		if who, _, err := tc.party.Finish(t.Context(), tc.sealed, tc.r); code(t, err) != tc.code || who.Person.Subject != "" {
			t.Errorf("%s: %+v, %v; want %s", tc.name, who, err, tc.code)
		}
	}
	if _, _, err := p.Finish(t.Context(), mine, r); err != nil {
		t.Errorf("none of that spent the code that was not shown: %v", err)
	}
}

// What a correct issuer does not answer is refused, with its own key as well.
func TestIDTokensThatAreNotGood(t *testing.T) {
	i := newIssuer(t)
	p := newParty(t, config(i))
	set := func(name string, v any) func(map[string]any) {
		return func(c map[string]any) {
			if v == nil {
				delete(c, name)
			} else {
				c[name] = v
			}
		}
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, tc := range []struct {
		name   string
		change func(map[string]any)
		code   string
	}{
		{"untouched", func(map[string]any) {}, ""},
		{"another audience", set("aud", "somebody-else"), "id_token_refused"},
		{"no audience", set("aud", nil), "id_token_refused"},
		{"several audiences, and nobody it was made for", func(c map[string]any) { delete(c, "azp"); c["aud"] = []string{signintest.ClientID, "other"} }, "id_token_refused"},
		{"several audiences, made for us", func(c map[string]any) {
			c["azp"], c["aud"] = signintest.ClientID, []string{"other", signintest.ClientID}
		}, ""},
		{"made for another", set("azp", "other"), "id_token_refused"},
		{"made for a number", set("azp", 7), "id_token_refused"},
		{"another issuer", set("iss", "https://evil.example"), "id_token_refused"},
		{"another nonce", set("nonce", "x"), "id_token_refused"},
		{"no nonce", set("nonce", nil), "id_token_refused"},
		{"expired", set("exp", in(-2*time.Minute)), "id_token_refused"},
		{"expired within the skew", set("exp", in(-10*time.Second)), ""},
		{"no end", set("exp", nil), "id_token_refused"},
		{"made in the future", set("iat", in(time.Hour)), "id_token_refused"},
		{"a clock that is ahead a little", set("iat", in(30*time.Second)), ""},
		{"no time", set("iat", nil), "id_token_refused"},
		{"not yet good", set("nbf", in(time.Hour)), "id_token_refused"},
		{"another access token's", set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "id_token_refused"},
		{"a number for groups", set("groups", 7), "claims_refused"},
		{"an object for groups", set("groups", map[string]any{"ops": true}), "claims_refused"},
		{"a list with a number", set("groups", []any{"ops", 7}), "claims_refused"},
		{"a list with nothing", set("groups", []any{"ops", nil}), "claims_refused"},
		{"more groups than are read", set("groups", strings.Split(strings.Repeat("g,", 3000), ",")), "claims_refused"},
		{"a group of 100 kB", set("groups", strings.Repeat("g", 100_000)), "claims_refused"},
	} {
		i.Claims(t, tc.change)
		sealed, r := round(t, p, "anil")
		who, _, err := p.Finish(t.Context(), sealed, r)
		if code(t, err) != tc.code || err != nil && who.Person.Subject != "" {
			t.Errorf("%s: %+v, %v; want %q", tc.name, who, err, tc.code)
		}
	}
	// The userinfo is about somebody else than the id token.
	i.Claims(t, set("sub", "bea"))
	sealed, r := round(t, p, "anil")
	if _, _, err := p.Finish(t.Context(), sealed, r); code(t, err) != "id_token_refused" {
		t.Errorf("somebody else's userinfo: %v", err)
	}
}

func TestSignaturesThatAreNotTheIssuers(t *testing.T) {
	i := newIssuer(t)
	p := newParty(t, config(i))
	none := func(claims string) string { return "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + claims + "." }
	for name, forge := range map[string]func(raw string) any{
		"alg none":                   func(raw string) any { return none(strings.Split(raw, ".")[1]) },
		"the public key as a secret": func(raw string) any { return hs256(t, i.PublicKey(t), raw) },
		"the client's secret":        func(raw string) any { return hs256(t, []byte(strings.Repeat(signintest.ClientSecret, 3)), raw) },
		"another key":                func(raw string) any { return stranger(t, raw) },
		"no signature":               func(raw string) any { return raw[:strings.LastIndexByte(raw, '.')+1] },
		"another payload": func(raw string) any {
			p := strings.Split(raw, ".")
			return p[0] + "." + p[1][:len(p[1])-4] + "AAAA." + p[2]
		},
		"no id token":             func(string) any { return nil },
		"a number":                func(string) any { return 7 },
		"a text that is no token": func(string) any { return "x" },
		"an empty one":            func(string) any { return "" },
		"one of two megabytes":    func(raw string) any { return raw + strings.Repeat("A", 2<<20) },
	} {
		i.Answer(func(answer map[string]any) { answer["id_token"] = forge(answer["id_token"].(string)) })
		sealed, r := round(t, p, "anil")
		who, _, err := p.Finish(t.Context(), sealed, r)
		want := "id_token_refused"
		if name == "one of two megabytes" {
			want = "issuer_unavailable"
		}
		if code(t, err) != want || who.Person.Subject != "" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if e, ok := errors.AsType[*commands.Error](err); ok && e.Cause != nil && len(e.Cause.Error()) > 300 {
			t.Errorf("%s: the log would get %d bytes", name, len(e.Cause.Error()))
		}
	}
}

func hs256(t *testing.T, secret []byte, raw string) string {
	t.Helper()
	return signintest.SignWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, signintest.Payload(t, raw))
}

// An issuer that is down keeps nobody from making a party, and works once it is up.
func TestAnIssuerThatIsDown(t *testing.T) {
	i := newIssuer(t)
	i.Down(true)
	var clock clock
	cfg := config(i)
	cfg.Now = clock.now
	p := newParty(t, cfg)
	if _, _, err := p.Begin(t.Context(), signin.Want{}); code(t, err) != "issuer_unavailable" {
		t.Fatalf("down: %v", err)
	}
	i.Down(false)
	asked := 0
	i.Front(func(http.ResponseWriter, *http.Request) bool { asked++; return false })
	if _, _, err := p.Begin(t.Context(), signin.Want{}); code(t, err) != "issuer_unavailable" || asked != 0 {
		t.Errorf("a moment later the issuer is asked %d times: %v", asked, err)
	}
	i.Front(nil)
	clock.forward(3 * time.Second)
	sealed, r := round(t, p, "anil")
	if _, _, err := p.Finish(t.Context(), sealed, r); err != nil {
		t.Fatal(err)
	}
	// What it said of itself serves on while it is down, and a code that cannot be
	// exchanged is nobody's fault.
	sealed, r = round(t, p, "anil")
	clock.forward(2 * time.Hour)
	i.Down(true)
	if _, _, err := p.Begin(t.Context(), signin.Want{}); err != nil {
		t.Errorf("the old description does not serve: %v", err)
	}
	if _, _, err := p.Finish(t.Context(), sealed, r); code(t, err) != "sign_in_expired" {
		t.Errorf("two hours later: %v", err)
	}
	i.Down(false)
	sealed, r = round(t, p, "anil")
	i.Down(true)
	if _, _, err := p.Finish(t.Context(), sealed, r); code(t, err) != "issuer_unavailable" {
		t.Errorf("down in the middle: %v", err)
	}
}

// clock runs with the system's, ahead of it by as much as it was moved.
type clock struct{ ahead time.Duration }

func (c *clock) now() time.Time          { return time.Now().Add(c.ahead) }
func (c *clock) forward(d time.Duration) { c.ahead += d }

// A description that would send secrets or people elsewhere is not followed.
func TestDescriptionsThatAreNotFollowed(t *testing.T) {
	for name, document := range map[string]string{
		"another issuer":          `{"issuer":"https://evil.example","authorization_endpoint":"https://e.example/a","token_endpoint":"https://e.example/t","jwks_uri":"https://e.example/k"}`,
		"an endpoint in the open": `{"issuer":"ISSUER","authorization_endpoint":"https://e.example/a","token_endpoint":"http://e.example/t","jwks_uri":"https://e.example/k"}`,
		"keys in the open":        `{"issuer":"ISSUER","authorization_endpoint":"https://e.example/a","token_endpoint":"https://e.example/t","jwks_uri":"http://e.example/k"}`,
		"userinfo in the open":    `{"issuer":"ISSUER","authorization_endpoint":"https://e.example/a","token_endpoint":"https://e.example/t","jwks_uri":"https://e.example/k","userinfo_endpoint":"http://e.example/u"}`,
		"a script":                `{"issuer":"ISSUER","authorization_endpoint":"javascript:alert(1)","token_endpoint":"https://e.example/t","jwks_uri":"https://e.example/k"}`,
		"no endpoints":            `{"issuer":"ISSUER"}`,
		"no JSON":                 `<html>`,
		"too long":                `{"issuer":"ISSUER","x":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		var at string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(strings.Replace(document, "ISSUER", at, 1)))
		}))
		at = s.URL
		p := newParty(t, signin.Config{Issuer: at, ClientID: "x", GroupsClaim: "groups", NameClaim: "email", RedirectURL: callback})
		if to, _, err := p.Begin(t.Context(), signin.Want{}); code(t, err) != "issuer_unavailable" {
			t.Errorf("%s: people would be sent to %s", name, to)
		}
		p.Close()
		s.Close()
	}
	// Nor is a redirect.
	s := httptest.NewServer(http.RedirectHandler("https://evil.example/", http.StatusTemporaryRedirect))
	defer s.Close()
	p := newParty(t, signin.Config{Issuer: s.URL, ClientID: "x", GroupsClaim: "groups", NameClaim: "email", RedirectURL: callback})
	if _, _, err := p.Begin(t.Context(), signin.Want{}); code(t, err) != "issuer_unavailable" {
		t.Errorf("a redirect: %v", err)
	}
}

func TestCheckURL(t *testing.T) {
	for s, good := range map[string]bool{
		"https://id.example": true, "https://id.example/realms/acme": true, "http://127.0.0.1:8080": true, "http://localhost/x": true, "http://[::1]:1": true,
		"http://id.example": false, "http://127.0.0.1.evil.example": false, "https://user:pw@id.example": false, "https://id.example#x": false,
		"https://": false, "id.example": false, "ftp://127.0.0.1": false, "": false, "https://id.example/#": false,
	} {
		if err := signin.CheckURL(s); (err == nil) != good {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// What is verified last is the name: never an address that the issuer did not verify.
func TestNames(t *testing.T) {
	i := newIssuer(t)
	p := newParty(t, config(i))
	for _, tc := range []struct {
		claims map[string]any
		want   string
	}{
		{map[string]any{"email": "boss@acme.example", "email_verified": false, "groups": "all", "name": "Anil"}, "Anil"},
		{map[string]any{"email": "anil@acme.example", "email_verified": true, "groups": "all"}, "anil@acme.example"},
		{map[string]any{"email": "", "preferred_username": "anil", "groups": "all"}, "anil"},
		{map[string]any{"email": 7, "preferred_username": "anil", "groups": "all"}, "anil"},
	} {
		i.Claims(t, func(c map[string]any) {
			for name, v := range tc.claims {
				c[name] = v
			}
		})
		sealed, r := round(t, p, "anil")
		if who, _, err := p.Finish(t.Context(), sealed, r); err != nil || who.Person.Name != tc.want {
			t.Errorf("%v: %q, %v", tc.claims, who.Person.Name, err)
		}
	}
}
