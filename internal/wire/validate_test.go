package wire

import (
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func goodVerdict() commands.Verdict {
	return commands.Verdict{AsOf: 1_000_002, Token: tokens.Credential{
		ID: ulid.Make(), Tenant: "acme", Name: "shop 7 \"checkout\" <Süd>\u2028\n", Site: "shop7.example",
		Scopes: []string{"orders:read", "orders:write"}, ExpiresAt: time.Date(2027, 1, 2, 3, 4, 5, 678e6, time.UTC),
	}}
}

// The answer is written by hand; its type in the interface says what it has to be.
func TestTheAnswerIsWrittenAsItsTypeSays(t *testing.T) {
	bare := commands.Verdict{Token: tokens.Credential{ID: ulid.Make(), Tenant: "default", Name: "n"}}
	one := goodVerdict()
	one.Token.Scopes, one.Token.ExpiresAt = one.Token.Scopes[:1], one.Token.ExpiresAt.Truncate(time.Second)
	for _, v := range []commands.Verdict{
		goodVerdict(), bare, one, {Reason: commands.Unknown}, {Reason: commands.IPDenied, Token: bare.Token, AsOf: 1<<64 - 1},
	} {
		said := api.ValidateAnswer{Active: v.Active(), Reason: string(v.Reason), AsOfSeq: v.AsOf}
		if v.Active() {
			said.Token = &api.ValidToken{
				ID: v.Token.ID.String(), Tenant: v.Token.Tenant, Name: v.Token.Name, Site: v.Token.Site,
				Scopes: append([]string{}, v.Token.Scopes...),
			}
			if !v.Token.ExpiresAt.IsZero() {
				said.Token.ExpiresAt = &v.Token.ExpiresAt
			}
		}
		want, err := Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		got, err := AppendAnswer(nil, v)
		if err != nil || string(got) != string(want) {
			t.Errorf("wrote %s (%v)\nwant  %s", got, err, want)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	v := goodVerdict()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendAnswer(make([]byte, 0, 512), v); err != nil {
			b.Fatal(err)
		}
	}
}
