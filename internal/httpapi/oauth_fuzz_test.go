package httpapi

import (
	"encoding/base64"
	"errors"
	"net/url"
	"testing"

	"github.com/tokenledger/tokenledger/commands"
)

// FuzzForm shows that a form gives what the standard library reads, and nothing of a form
// that could be read in two ways.
func FuzzForm(f *testing.F) {
	f.Add("token=x&scope=a+b")
	f.Add("token=x&token=y")
	f.Add("token=%zz;=&client_secret=x")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseForm(raw, "token", "scope")
		if err != nil {
			if e, ok := errors.AsType[*commands.Error](err); !ok || e.Code != "form_invalid" {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		all, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q was read: %v", raw, err)
		}
		for name, values := range all {
			if len(values) != 1 || name == "client_secret" || (name == "token" || name == "scope") && got[name] != values[0] {
				t.Errorf("%q was read as %q", raw, got)
			}
		}
	})
}

// FuzzBasic shows that a header gives back what a client put into it, and that one that
// cannot be read gives no id.
func FuzzBasic(f *testing.F) {
	f.Add("01ARZ3NDEKTSV4RRFFQ69G5FAV", "tl_x", "Basic Og==")
	f.Add("a:b", "c:d%", "basic !")
	f.Add("", "", "Basic")
	f.Fuzz(func(t *testing.T, user, password, header string) {
		id, token := parseBasic("Basic " + encodeBasic(user, password))
		if password != "" && token.Reveal() != password {
			t.Errorf("%q comes back as %q", password, token.Reveal())
		}
		if !id.IsZero() && id.String() != user {
			t.Errorf("%q comes back as %s", user, id)
		}
		if id, token := parseBasic(header); token.Reveal() == header && !id.IsZero() {
			t.Errorf("%q was not read, and gives %s", header, id)
		}
	})
}

func encodeBasic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(user) + ":" + url.QueryEscape(password)))
}
