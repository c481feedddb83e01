package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/signin"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// page is what a person sees at the end of a sign-in. It has no script, and refers to
// nothing elsewhere.
type page struct {
	Title, Text string
	Lines       []line
	Links       []link
	SignOut     bool
	Style       template.CSS
}

type line struct{ Name, Value string }

type link struct{ URL, Text string }

const pageStyle template.CSS = `body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color:#1d2433}h1{font-size:1.4rem}dt{color:#5b6475;font-size:.85rem}dd{margin:0 0 .6rem;overflow-wrap:anywhere}button{font:inherit;padding:.3rem 1rem}`

const pageText = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{{.Title}} - tokenledger</title><style>{{.Style}}</style></head>
<body><h1>{{.Title}}</h1>
{{with .Text}}<p>{{.}}</p>
{{end}}{{with .Lines}}<dl>{{range .}}{{if .Value}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>
{{end}}{{end}}</dl>
{{end}}{{with .Links}}<ul>{{range .}}<li><a href="{{.URL}}">{{.Text}}</a></li>
{{end}}</ul>
{{end}}{{if .SignOut}}<form method="post" action="logout"><button>Sign out</button></form>
{{end}}</body></html>
`

// contentPolicy lets the page show itself, with its one style, and send its own form.
func contentPolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// page answers a person.
func (c *call) page(status int, p page) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	p.Style = pageStyle
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Security-Policy", contentPolicy())
	// The URL has a code, which goes nowhere else. With no referrer at all, browsers would
	// not say where the form comes from.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	return c.write("text/html; charset=utf-8", status, b.Bytes())
}

// wantsPage reports a caller that asks for HTML: a browser with a person before it.
func (c *call) wantsPage() bool {
	for _, accepted := range strings.Split(c.r.Header.Get("Accept"), ",") {
		if media, _, err := mime.ParseMediaType(accepted); err == nil && media == "text/html" {
			return true
		}
	}
	return false
}

// personProblem answers whoever could not be signed in: a person with a page, a program
// with a problem document. want is what was wanted, to be wanted again.
func (c *call) personProblem(err error, want signin.Want) error {
	c.noteRefusal(err)
	e, ok := errors.AsType[*commands.Error](err)
	if !ok || !c.wantsPage() {
		return err
	}
	status := wire.StatusOf(e.Kind)
	p := page{
		Title: "Not signed in", Text: sentence(e.Detail), Lines: []line{{"what to do", sentence(e.Hint)}, {"code", e.Code}, {"request", c.requestID}},
	}
	if choice, ok := errors.AsType[*commands.TenantChoice](err); ok {
		p.Title, p.Text, p.Lines = "Choose a tenant", "Your groups have roles in several tenants. A session is for one of them.", nil
		for _, tenant := range choice.Tenants {
			p.Links = append(p.Links, link{loginURL(tenant, want), tenant})
		}
	}
	if status >= http.StatusInternalServerError {
		c.api.Logger.Warn("a person could not be signed in", "route", c.route.pattern(), "status", status, "code", e.Code, "detail", e.Detail, "cause", e.Cause, "request_id", c.requestID)
		c.w.Header().Set("Retry-After", "1")
	}
	return c.page(status, p)
}

// loginURL is where the sign-in begins anew for a tenant. It stands beside the callback.
func loginURL(tenant string, want signin.Want) string {
	q := url.Values{"tenant": {tenant}}
	if p := want.Program; p != nil {
		q.Set("redirect_uri", p.RedirectURI)
		q.Set("state", p.State)
		q.Set("code_challenge", p.Challenge)
		q.Set("code_challenge_method", "S256")
	}
	return "login?" + q.Encode()
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
