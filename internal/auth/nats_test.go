package auth

import (
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

func holder(scopes ...string) commands.Caller {
	const id = "01K7Q2Z8Y4M6N3P5R7T9V1W3X5"
	return commands.Caller{Actor: events.Actor{Type: "token", ID: id, TokenID: ulid.MustParse(id)}, Tenant: "acme", Scopes: scopes}
}

// A person's id holds what it likes; in subjects stands the session's.
func TestAPersonsIDIsNoPartOfASubject(t *testing.T) {
	c := holder(commands.TokensValidate)
	want := NATSGrant(c, false)
	c.Actor.Type, c.Actor.ID = events.ActorPerson, "https://id.example#.>"
	if got := NATSGrant(c, false); !slices.Equal(got.Subscribe, want.Subscribe) || !slices.Equal(got.Publish, want.Publish) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWhatACallerMayDoOverNATS(t *testing.T) {
	const own, inbox = "_INBOX_01K7Q2Z8Y4M6N3P5R7T9V1W3X5.>", "_INBOX.>"
	for _, tc := range []struct {
		scope           string
		private, shared []string
		asks            bool
	}{
		{"orders:read", nil, nil, false},
		{"*", nil, nil, false},
		{commands.TokensWrite, nil, nil, false},
		{commands.RevocationsRead, []string{"ledger.acme.revoked", "revocations.>"}, []string{"ledger.acme.revoked", "revocations.acme"}, false},
		{commands.AuditReadScope, []string{"ledger.acme.>", "revocations.>"}, []string{"ledger.acme.>", "revocations.acme"}, false},
		{commands.TokensValidate, []string{own, inbox}, []string{own}, true},
		{commands.Admin, []string{"ledger.acme.>", "revocations.>", own, inbox}, []string{"ledger.acme.>", "revocations.acme", own}, true},
		{commands.Root, []string{"ledger.>", "revocations.>", own, inbox}, []string{"ledger.>", "revocations.>", own}, true},
	} {
		for private, want := range map[bool][]string{true: tc.private, false: tc.shared} {
			g := NATSGrant(holder(tc.scope), private)
			if !slices.Equal(g.Subscribe, want) {
				t.Errorf("%s, private %v: may subscribe to %q, want %q", tc.scope, private, g.Subscribe, want)
			}
			if got := slices.Contains(g.Publish, ValidateSubject); got != tc.asks {
				t.Errorf("%s: may ask: %v", tc.scope, got)
			}
			if g.None() != (len(want) == 0) {
				t.Errorf("%s: none is %v", tc.scope, g.None())
			}
			for _, subject := range g.Publish {
				if subject != ValidateSubject && !strings.HasPrefix(subject, "$SRV.") {
					t.Errorf("%s: may publish to %s", tc.scope, subject)
				}
				if strings.HasPrefix(subject, "$SRV.STATS") && tc.scope != commands.Root {
					t.Errorf("%s: may ask for the figures of all tenants", tc.scope)
				}
			}
		}
	}
}

// What is exported to accounts has to cover what they import, and what clients may do
// is worth nothing without the account's import.
func TestTheAccountHasWhatItsClientsMayUse(t *testing.T) {
	exports := NodeExports()
	for _, scopes := range [][]string{{commands.RevocationsRead}, {commands.Admin}, {commands.Root}} {
		account := NATSAccount(holder(scopes...))
		for _, s := range account.Services {
			if !slices.Contains(exports.Services, s) {
				t.Errorf("%v: the service %s is not exported", scopes, s)
			}
		}
		for _, subject := range NATSGrant(holder(scopes...), true).Publish {
			if !slices.Contains(account.Services, subject) {
				t.Errorf("%v: may publish to %s, which its account does not import", scopes, subject)
			}
		}
	}
	if a := NATSAccount(holder(commands.Admin)); a.Name != "acme" || slices.Contains(a.Streams, "ledger.>") {
		t.Errorf("a tenant's account is %+v", a)
	}
	if a := NATSAccount(holder(commands.Root)); events.ValidTenant(a.Name) {
		t.Errorf("a tenant may be called %s", a.Name)
	}
}
