package commands

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

var anil = events.Person{Issuer: "https://id.example", Subject: "f81d4fae", Name: "anil@acme.example"}

func grants(t testing.TB, all ...string) (out []Grant) {
	t.Helper()
	for _, s := range all {
		g, err := ParseGrant(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func TestSignIn(t *testing.T) {
	people := People{Life: 8 * time.Hour, Grants: grants(t, "ops=admin", "ops=auditor@acme", "sec=auditor", "sec=validator", "all=subscriber", "cn=x,ou=y=admin@ldap")}
	with := func(change func(*events.Person)) events.Person { p := anil; change(&p); return p }
	long := make([]string, maxGroups+1)
	for i := range long {
		long[i] = strconv.Itoa(i)
	}
	leak := "tl_01JDA0V6Q3Y8N5K2M7R4T1W9XZ_0123456789abcdefghijABCDEFGHIJ012345678"
	for _, tc := range []struct {
		name   string
		person events.Person
		groups []string
		tenant string
		policy Policy
		want   Membership
		scopes []string
		life   time.Duration
		code   string
	}{
		{name: "one group, one role", groups: []string{"all", "strangers"}, want: Membership{"default", []Role{RoleSubscriber}}, scopes: []string{RevocationsRead}},
		{name: "roles of several groups", groups: []string{"sec", "all"}, want: Membership{"default", []Role{RoleAuditor, RoleValidator, RoleSubscriber}}, scopes: []string{TokensRead, AuditReadScope, ExportsRead, TokensValidate, RevocationsRead}},
		{name: "a group with marks in its name", groups: []string{"cn=x,ou=y"}, want: Membership{"ldap", []Role{RoleAdmin}}, scopes: []string{Admin}},
		{name: "a tenant of several", groups: []string{"ops"}, tenant: "acme", want: Membership{"acme", []Role{RoleAuditor}}, scopes: []string{TokensRead, AuditReadScope, ExportsRead}},
		{name: "several tenants and none chosen", groups: []string{"ops"}, code: "tenant_ambiguous"},
		{name: "a tenant of others", groups: []string{"sec"}, tenant: "acme", code: "no_role_granted"},
		{name: "no group", code: "no_role_granted"},
		{name: "groups in another case", groups: []string{"OPS", "ops "}, code: "no_role_granted"},
		{name: "too many groups", groups: long, code: "claims_refused"},
		{name: "a policy that is stricter", groups: []string{"all"}, policy: Policy{MaxLife: hour}, want: Membership{"default", []Role{RoleSubscriber}}, scopes: []string{RevocationsRead}, life: hour},
		{name: "a policy on names", groups: []string{"all"}, policy: Policy{NameLength: Length{Min: 150}, SiteLength: Length{Min: 5}, AllowedScopes: []string{"x"}}, want: Membership{"default", []Role{RoleSubscriber}}, scopes: []string{RevocationsRead}},
		{name: "no subject", person: with(func(p *events.Person) { p.Subject = "" }), groups: []string{"all"}, code: "claims_refused"},
		{name: "the longest subject", person: with(func(p *events.Person) { p.Subject = strings.Repeat("s", 255) }), groups: []string{"all"}, want: Membership{"default", []Role{RoleSubscriber}}, scopes: []string{RevocationsRead}},
		{name: "a longer subject", person: with(func(p *events.Person) { p.Subject = strings.Repeat("s", 256) }), groups: []string{"all"}, code: "claims_refused"},
		{name: "a subject that cannot be seen", person: with(func(p *events.Person) { p.Subject = "\u3164" }), groups: []string{"all"}, code: "claims_refused"},
		{name: "a subject that turns the writing", person: with(func(p *events.Person) { p.Subject = "a\u202eb" }), groups: []string{"all"}, code: "claims_refused"},
		{name: "a token for a subject", person: with(func(p *events.Person) { p.Subject = leak }), groups: []string{"all"}, code: "claims_refused"},
		{name: "no issuer", person: with(func(p *events.Person) { p.Issuer = "" }), groups: []string{"all"}, code: "claims_refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.person.IsZero() {
				tc.person = anil
			}
			d, m, err := decideSignIn(people, tc.policy, SignIn{Person: tc.person, Groups: tc.groups, Tenant: tc.tenant}, now)
			if got := code(t, err); got != tc.code {
				t.Fatalf("code %q, want %q: %v", got, tc.code, err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tc.want, m); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.scopes, d.Scopes); diff != "" {
				t.Error(diff)
			}
			if tc.life == 0 {
				tc.life = people.Life
			}
			if !d.ExpiresAt.Equal(now.Add(tc.life)) || d.Person.ID() != tc.person.ID() || d.Owner != tc.person.ID() || d.Name != d.Person.Name {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestNamesOfPeopleAreReadable(t *testing.T) {
	for _, tc := range []struct{ name, subject, want string }{
		{"anil@acme.example", "s", "anil@acme.example"},
		{"", "f81d4fae", "f81d4fae"},
		{" \u3164 ", "f81d4fae", "f81d4fae"},
		{"a\x1b[2Jb\u202e", "s", "a[2Jb"},
		{strings.Repeat("é", 300), "s", strings.Repeat("é", 200)},
		{"a\xffb", "s", "ab"},
	} {
		p, err := checkPerson(events.Person{Issuer: "https://id.example", Subject: tc.subject, Name: tc.name})
		if err != nil || p.Name != tc.want {
			t.Errorf("%q: %q, %v; want %q", tc.name, p.Name, err, tc.want)
		}
		if err := checkText("name", p.Name, Length{1, maxLabel}); err != nil {
			t.Errorf("%q is no name of a token: %v", p.Name, err)
		}
	}
}

func TestASessionStaysWhatItIs(t *testing.T) {
	s := tokens.Token{ID: id, Tenant: "default", Name: "anil", Scopes: []string{Admin}, CreatedAt: now, ExpiresAt: now.Add(hour), Person: anil}
	if _, _, err := decideRotate(Policy{}, admin, s, Rotate{ID: id}, now); code(t, err) != "session_fixed" {
		t.Errorf("rotate: %v", err)
	}
	empty, labels := "", map[string]string{"a": "b"}
	for _, cmd := range []Update{{Name: &empty}, {Owner: &empty}, {Metadata: &labels}, {}} {
		if _, err := decideUpdate(Policy{}, s, cmd); code(t, err) != "session_fixed" {
			t.Errorf("update %+v: %v", cmd, err)
		}
	}
}

func TestParseGrant(t *testing.T) {
	for s, want := range map[string]Grant{
		"ops=admin":                         {"ops", RoleAdmin, "default"},
		"ops=validator@acme":                {"ops", RoleValidator, "acme"},
		"a@b=auditor":                       {"a@b", RoleAuditor, "default"},
		"/realm/a b=subscriber":             {"/realm/a b", RoleSubscriber, "default"},
		"cn=ops,ou=x=admin@acme":            {"cn=ops,ou=x", RoleAdmin, "acme"},
		"":                                  {},
		"ops":                               {},
		"=admin":                            {},
		"ops=":                              {},
		"ops=root":                          {},
		"ops=Admin":                         {},
		"ops=ledger:root":                   {},
		"ops=admin@":                        {},
		"ops=admin@A":                       {},
		"ops=admin@a@b":                     {},
		"o\x00ps=admin":                     {},
		strings.Repeat("g", 257) + "=admin": {},
	} {
		got, err := ParseGrant(s)
		if got != want || (err == nil) != (want != Grant{}) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
}

func FuzzParseGrant(f *testing.F) {
	for _, s := range []string{"ops=admin", "ops=admin@acme", "cn=a,ou=b=auditor@x", "=", "@", "a=b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGrant(s)
		if err != nil {
			if g != (Grant{}) || strings.ContainsFunc(err.Error(), unprintable) {
				t.Fatalf("%q: %+v, %v", s, g, err)
			}
			return
		}
		if back, err := ParseGrant(g.Group + "=" + g.Role + "@" + g.Tenant); err != nil || back != g {
			t.Fatalf("%q: %+v comes back as %+v, %v", s, g, back, err)
		}
		if _, err := RoleScopes(g.Role); err != nil || !events.ValidTenant(g.Tenant) {
			t.Fatalf("%q: %+v", s, g)
		}
	})
}
