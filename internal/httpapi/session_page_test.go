package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What an issuer says of a person is text on the page, whatever it is, and the policy lets
// nothing be but the page's own style.
func TestThePageShowsTextAlone(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}</style>`
	w := httptest.NewRecorder()
	c := &call{w: w, r: httptest.NewRequest(http.MethodGet, "/v1/session/callback", nil), api: &API{}}
	err := c.page(http.StatusOK, page{
		Title: hostile, Text: hostile, Lines: []line{{"who", hostile}, {hostile, "x"}}, SignOut: true,
		Links: []link{{"login?tenant=" + hostile, hostile}, {"javascript:alert(1)", "x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	body := w.Body.String()
	for _, bad := range []string{"<script", "<img", `href="javascript`, "onerror=alert(1)>"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q: %s", bad, body)
		}
	}
	_, style, _ := strings.Cut(body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
		t.Errorf("%q is not the policy of the style %q", csp, style)
	}
}

func TestWhoWantsAPage(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html,application/xhtml+xml,*/*;q=0.8": true, "application/json, text/html;q=0.5": true,
		"": false, "*/*": false, "application/json": false, "text/htmlx": false, ";": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if got := (&call{r: r}).wantsPage(); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// A page of the ledger's own is told from every other by what browsers say.
func TestSameOrigin(t *testing.T) {
	a := &API{Config: Config{PublicURL: "https://ledger.example"}}
	for _, tc := range []struct {
		headers []string
		want    bool
	}{
		{nil, false},
		{[]string{"Sec-Fetch-Site", "same-origin"}, true},
		{[]string{"Sec-Fetch-Site", "same-site"}, false},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://ledger.example"}, false},
		{[]string{"Sec-Fetch-Site", "none"}, false},
		{[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Origin", "https://ledger.example"}, true},
		{[]string{"Origin", "https://ledger.example", "Origin", "https://evil.example"}, false},
		{[]string{"Origin", "http://ledger.example"}, false},
		{[]string{"Origin", "https://ledger.example:8443"}, false},
		{[]string{"Origin", "https://evil.ledger.example"}, false},
		{[]string{"Origin", "null"}, false},
		{[]string{"Referer", "https://ledger.example/"}, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		for i := 0; i < len(tc.headers); i += 2 {
			r.Header.Add(tc.headers[i], tc.headers[i+1])
		}
		if got := (&call{api: a, r: r}).sameOrigin(); got != tc.want {
			t.Errorf("%v: %v", tc.headers, got)
		}
	}
}
