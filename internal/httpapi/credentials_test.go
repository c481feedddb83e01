package httpapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

func TestBearerIsTakenFromOneHeader(t *testing.T) {
	token := secret.Mint("tl", ulid.Make()).Reveal()
	for _, tc := range []struct {
		sent []string
		want string
		code string
	}{
		{nil, "", ""},
		{[]string{"Bearer " + token}, token, ""},
		{[]string{"bearer  " + token + " "}, token, ""},
		{[]string{"Basic " + token}, "", ""},
		{[]string{token}, "", ""},
		{[]string{"Bearer " + token, "Bearer " + token}, "", "header_repeated"},
		{[]string{"Basic eA==", "Bearer " + token}, "", "header_repeated"},
		// What a proxy makes of two headers is one token, which is none of ours.
		{[]string{"Bearer " + token + ", Bearer " + token}, token + ", Bearer " + token, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/v1/tokens", nil)
		r.Header["Authorization"] = tc.sent
		got, err := bearer(&call{r: r})
		code := ""
		if e, ok := errors.AsType[*commands.Error](err); ok {
			code = e.Code
		}
		if got.Reveal() != tc.want || code != tc.code {
			t.Errorf("%q: %q, %v", tc.sent, got.Reveal(), err)
		}
	}
}

func FuzzNoTokenGetsByInAURL(f *testing.F) {
	f.Add("/v1/tokens?name=", "", false)
	f.Add("/v1/tokens/", "/history", true)
	f.Add("/%zz?", "&a=%", true)
	f.Fuzz(func(t *testing.T, before, after string, escaped bool) {
		token := secret.Mint("tl", ulid.Make()).Reveal()
		if escaped {
			token = strings.ReplaceAll(url.QueryEscape(token), "_", "%5F")
			if strings.HasSuffix(before, "%") || strings.HasSuffix(before, "%2") || strings.Contains(before+after, "%") {
				return // it is no escape then, or nothing that can be read
			}
		}
		err := checkURL(&http.Request{RequestURI: before + token + after})
		if e, ok := errors.AsType[*commands.Error](err); !ok || e.Code != "token_in_url" {
			t.Errorf("%q: %v", before+token+after, err)
		}
	})
}
