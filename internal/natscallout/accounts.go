package natscallout

import (
	"fmt"
	"strings"

	"github.com/tokenledger/tokenledger/events"
)

// tenantMark stands for the tenant in a template of account names.
const tenantMark = "{tenant}"

// Accounts names the accounts of the server that clients get into.
type Accounts struct {
	// Template names the account of a tenant: {tenant} stands for its name.
	Template string
	// Root is the account of those who reach all tenants.
	Root string
}

// Check reports what is wrong with the names, in words that go behind the flags'.
func (a Accounts) Check() error {
	before, after, ok := strings.Cut(a.Template, tenantMark)
	switch {
	case !ok || strings.Contains(after, tenantMark):
		return fmt.Errorf("the accounts of tenants %q: %s has to stand in it once, or tenants would share an account", a.Template, tenantMark)
	case !validPart(before) || !validPart(after):
		return fmt.Errorf("the accounts of tenants %q: an account's name has no space and no control character", a.Template)
	case a.Root == "" || !validPart(a.Root):
		return fmt.Errorf("the account of root %q: an account's name is not empty, and has no space and no control character", a.Root)
	case strings.HasPrefix(a.Root, "$"):
		return fmt.Errorf("the account of root %q: names with $ are the server's own", a.Root)
	case a.ofTenants(a.Root):
		return fmt.Errorf("the account of root %q is that of a tenant by the template %q; give it another name", a.Root, a.Template)
	}
	return nil
}

// Of gives the account of a tenant, or with all that of those who reach all tenants.
func (a Accounts) Of(tenant string, all bool) string {
	if all {
		return a.Root
	}
	return strings.Replace(a.Template, tenantMark, tenant, 1)
}

// Has tells whether clients are let into the account here.
func (a Accounts) Has(account string) bool { return account == a.Root || a.ofTenants(account) }

func (a Accounts) ofTenants(account string) bool {
	before, after, _ := strings.Cut(a.Template, tenantMark)
	tenant, ok := strings.CutPrefix(account, before)
	if ok {
		tenant, ok = strings.CutSuffix(tenant, after)
	}
	return ok && events.ValidTenant(tenant)
}

func validPart(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}
