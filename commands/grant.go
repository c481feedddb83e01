package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenledger/tokenledger/events"
)

// Grant gives a role in a tenant to the people whom their issuer counts among a group.
type Grant struct {
	Group  string
	Role   Role
	Tenant string
}

// Bounds on what an issuer tells of a person, in bytes.
const (
	maxGroup = 256
	// maxGroups is how many groups may be told of one person.
	maxGroups = 2000
)

// ParseGrant reads GROUP=ROLE or GROUP=ROLE@TENANT. The group may hold any of these
// marks: what stands behind the last "=" is the role.
func ParseGrant(s string) (Grant, error) {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return Grant{}, fmt.Errorf("%q is not of the form GROUP=ROLE or GROUP=ROLE@TENANT", shorten(s))
	}
	role, tenant, named := strings.Cut(s[i+1:], "@")
	if !named {
		tenant = events.DefaultTenant
	}
	g := Grant{Group: s[:i], Role: role, Tenant: tenant}
	switch {
	case g.Group == "" || len(g.Group) > maxGroup || strings.ContainsFunc(g.Group, unprintable):
		return Grant{}, fmt.Errorf("%q does not begin with a group of 1 to %d bytes without control characters", shorten(s), maxGroup)
	case !slices.Contains(Roles(), g.Role):
		return Grant{}, fmt.Errorf("%q names no role of the ledger; the roles are %s", shorten(s), strings.Join(Roles(), " "))
	case !events.ValidTenant(g.Tenant):
		return Grant{}, fmt.Errorf("%q names a tenant that is not of the form [a-z0-9][a-z0-9-]{0,62}", shorten(s))
	}
	return g, nil
}

// Membership is what somebody may do in one tenant.
type Membership struct {
	Tenant string
	// Roles are in the order of [Roles], each once.
	Roles []Role
}

// Scopes are the permissions of all the roles, each once.
func (m Membership) Scopes() (scopes []Permission) {
	for _, r := range m.Roles {
		bundle, err := RoleScopes(r)
		if err == nil {
			scopes = append(scopes, bundle...)
		}
	}
	return distinct(scopes)
}

// memberships gives what the grants come to for somebody in the groups, by the order
// of the tenants' names.
func memberships(grants []Grant, groups []string) (all []Membership) {
	in := make(map[string]bool, len(groups))
	for _, g := range groups {
		in[g] = true
	}
	held := map[string]map[Role]bool{}
	for _, g := range grants {
		if !in[g.Group] {
			continue
		}
		if held[g.Tenant] == nil {
			held[g.Tenant] = map[Role]bool{}
		}
		held[g.Tenant][g.Role] = true
	}
	for tenant, roles := range held {
		m := Membership{Tenant: tenant}
		for _, r := range Roles() {
			if roles[r] {
				m.Roles = append(m.Roles, r)
			}
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Membership) int { return strings.Compare(a.Tenant, b.Tenant) })
	return all
}
