package commands

import (
	"slices"
	"strings"
)

// Permission is a scope that the ledger itself understands.
type Permission = string

// The permissions there are.
const (
	TokensRead      Permission = "ledger:tokens:read"
	TokensWrite     Permission = "ledger:tokens:write"
	TokensRevoke    Permission = "ledger:tokens:revoke"
	TokensValidate  Permission = "ledger:tokens:validate"
	AuditReadScope  Permission = "ledger:audit:read"
	RevocationsRead Permission = "ledger:revocations:read"
	ExportsRead     Permission = "ledger:exports:read"
	WebhooksWrite   Permission = "ledger:webhooks:write"
	// Admin holds all permissions of its own tenant.
	Admin Permission = "ledger:admin"
	// Root holds all permissions of all tenants.
	Root Permission = "ledger:root"
)

// PermissionPrefix begins every permission of the ledger.
const PermissionPrefix = "ledger:"

// Permissions lists every [Permission].
func Permissions() []Permission {
	return []Permission{
		TokensRead, TokensWrite, TokensRevoke, TokensValidate, AuditReadScope,
		RevocationsRead, ExportsRead, WebhooksWrite, Admin, Root,
	}
}

// covers reports whether a token that holds the scope held may do what want asks
// for. Scopes are equal, or held ends with "*" and want begins with what stands
// before it. A wildcard never reaches the ledger's own permissions; of those,
// Root covers all and Admin all but Root.
func covers(held, want string) bool {
	if held == want {
		return true
	}
	if strings.HasPrefix(want, PermissionPrefix) {
		return held == Root || held == Admin && want != Root
	}
	prefix, wild := strings.CutSuffix(held, "*")
	return wild && strings.HasPrefix(want, prefix)
}

// coversAll reports whether the scopes held cover every one of want.
func coversAll(held, want []string) bool {
	for _, w := range want {
		if !slices.ContainsFunc(held, func(h string) bool { return covers(h, w) }) {
			return false
		}
	}
	return true
}
