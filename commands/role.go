package commands

import (
	"slices"
	"strings"
)

// Role is a name for permissions that belong together. Events store the permissions:
// what a role holds is settled when it is given.
type Role = string

// The roles there are. None holds [Root].
const (
	RoleAdmin      Role = "admin"
	RoleAuditor    Role = "auditor"
	RoleValidator  Role = "validator"
	RoleSubscriber Role = "subscriber"
)

// Roles lists every [Role].
func Roles() []Role { return []Role{RoleAdmin, RoleAuditor, RoleValidator, RoleSubscriber} }

// RoleScopes gives the permissions of a role.
func RoleScopes(r Role) ([]Permission, error) {
	switch r {
	case RoleAdmin:
		return []Permission{Admin}, nil
	case RoleAuditor:
		return []Permission{TokensRead, AuditReadScope, ExportsRead}, nil
	case RoleValidator:
		return []Permission{TokensValidate}, nil
	case RoleSubscriber:
		return []Permission{RevocationsRead}, nil
	}
	return nil, invalid("unknown_role", "the role is not one that the ledger knows", "the roles are "+strings.Join(Roles(), " "))
}

// RolesOf names the roles all of whose permissions are among the scopes.
func RolesOf(scopes []string) (roles []Role) {
	for _, r := range Roles() {
		held, err := RoleScopes(r)
		if err == nil && !slices.ContainsFunc(held, func(p Permission) bool { return !slices.Contains(scopes, p) }) {
			roles = append(roles, r)
		}
	}
	return roles
}

// withRole gives the scopes of a new token: those that were named, and those of the
// role, each once.
func (l Labels) withRole() ([]string, error) {
	if l.Role == "" {
		return distinct(l.Scopes), nil
	}
	bundle, err := RoleScopes(l.Role)
	return distinct(append(slices.Clone(l.Scopes), bundle...)), err
}
