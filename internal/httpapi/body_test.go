package httpapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/internal/wire"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	token := secret.Mint("tl", ulid.Make()).Reveal()
	for _, tc := range []struct{ body, says string }{
		{``, "ends early"},
		{`{`, "ends early"},
		{`{"name":"x"} {}`, "not JSON"},
		{`name=x`, "not JSON"},
		{"{\"name\":\"\xff\"}", "UTF-8"},
		{`{"name":"a","name":"b"}`, `"name" stands twice`},
		{`{"Name":"a"}`, `"Name" is not known`},
		{`{"expires":"x"}`, `"expires" is not known`},
		{`{"name":7}`, `"name" has the wrong type: it has to be a string`},
		{`{"scopes":"a"}`, `"scopes" has the wrong type: it has to be an array`},
		{`{"scopes":["a",7]}`, `"scopes.1" has the wrong type: it has to be a string`},
		{`{"metadata":{"k":{}}}`, `"metadata.k" has the wrong type`},
		{`{"expires_at":"soon"}`, `"expires_at" is not a time`},
		{`[]`, "the body has the wrong type: it has to be an object"},
		{`{"` + token + `":1}`, `"[token]" is not known`},
		{`{"name":["` + token + `"]}`, `"name" has the wrong type`},
	} {
		err := wire.Decode([]byte(tc.body), new(api.GenerateRequest))
		e, ok := errors.AsType[*commands.Error](err)
		if !ok || e.Code != "body_invalid" || !strings.Contains(e.Detail, tc.says) {
			t.Errorf("%s: %v; want %q", tc.body, err, tc.says)
		}
		if err != nil && strings.Contains(err.Error(), token[30:]) {
			t.Errorf("%s: the error repeats the token: %v", tc.body, err)
		}
	}
	if err := wire.Decode([]byte(` {"min_seq":18446744073709551615,"token":"x"} `), new(api.ValidateRequest)); err != nil {
		t.Error(err)
	}
}

func BenchmarkDecodeValidate(b *testing.B) {
	body := []byte(`{"token":"` + secret.Mint("tl", ulid.Make()).Reveal() + `","scopes":["orders:read"],"site":"shop.example","client_ip":"192.0.2.7","user_agent":"WooCommerce/9.1"}`)
	b.ReportAllocs()
	for b.Loop() {
		var in api.ValidateRequest
		if err := wire.Decode(body, &in); err != nil {
			b.Fatal(err)
		}
	}
}
