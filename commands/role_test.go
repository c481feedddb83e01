package commands

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoles(t *testing.T) {
	auditor := Caller{Tenant: "default", Scopes: []string{TokensRead, AuditReadScope, ExportsRead, TokensWrite}}
	many := make([]string, maxScopes)
	for i := range many {
		many[i] = "s" + string(rune('A'+i%26)) + string(rune('a'+i/26))
	}
	for _, tc := range []struct {
		name   string
		caller Caller
		role   Role
		scopes []string
		want   []string
		code   string
	}{
		{name: "admin", caller: admin, role: RoleAdmin, want: []string{Admin}},
		{name: "auditor", caller: admin, role: RoleAuditor, want: []string{TokensRead, AuditReadScope, ExportsRead}},
		{name: "validator", caller: root, role: RoleValidator, want: []string{TokensValidate}},
		{name: "subscriber", caller: root, role: RoleSubscriber, want: []string{RevocationsRead}},
		{name: "beside scopes, each once", caller: admin, role: RoleAuditor, scopes: []string{"orders:read", AuditReadScope}, want: []string{"orders:read", AuditReadScope, TokensRead, ExportsRead}},
		{name: "what the caller holds in parts", caller: auditor, role: RoleAuditor, want: []string{TokensRead, AuditReadScope, ExportsRead}},
		{name: "what the caller does not hold", caller: writer, role: RoleAuditor, code: "grant_not_held"},
		{name: "one above the caller's", caller: auditor, role: RoleAdmin, code: "grant_not_held"},
		{name: "unknown", caller: root, role: "root", code: "unknown_role"},
		{name: "unknown in another case", caller: root, role: "Admin", code: "unknown_role"},
		{name: "one scope too many with the role's", caller: root, role: RoleAdmin, scopes: many, code: "too_many_scopes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := decideGenerate(Policy{}, tc.caller, Labels{Name: "x", Scopes: tc.scopes, Role: tc.role}, now)
			if got := code(t, err); got != tc.code {
				t.Fatalf("code %q, want %q (%v)", got, tc.code, err)
			}
			if err == nil {
				if diff := cmp.Diff(tc.want, d.Scopes); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestRolesOfScopes(t *testing.T) {
	for _, r := range Roles() {
		scopes, err := RoleScopes(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Role{r}, RolesOf(append(scopes, "orders:read"))); diff != "" {
			t.Errorf("%s: %s", r, diff)
		}
		if len(scopes) > 1 && RolesOf(scopes[1:]) != nil {
			t.Errorf("%s is named for a part of it", r)
		}
	}
}

// A request without a role has the fingerprint that it had before there were roles: its
// Idempotency-Key stays good across the upgrade.
func TestNoRoleLeavesTheFingerprintAsItWas(t *testing.T) {
	got, err := json.Marshal(Generate{Tenant: "default", Labels: Labels{Name: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	const before = `{"Tenant":"default","Name":"x","Site":"","Owner":"","Scopes":null,"TTL":0,"ExpiresAt":"0001-01-01T00:00:00Z","NotBefore":"0001-01-01T00:00:00Z","AllowedCIDRs":null,"Metadata":null}`
	if string(got) != before {
		t.Errorf("%s", got)
	}
}
