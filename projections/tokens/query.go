package tokens

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Query says which tokens to list. A zero field asks for nothing; all that are set
// must hold.
type Query struct {
	// Tenant is required, unless AllTenants is set.
	Tenant     string
	AllTenants bool

	Site  string
	Owner string
	// Name is a part of the name, in either case.
	Name   string
	Status Status
	// Scope is one that the token was given.
	Scope string
	// UnusedSince asks for tokens whose last use, or creation if they were never
	// used, lies before it.
	UnusedSince time.Time
	// ExpiresBefore asks for tokens that end by themselves before it.
	ExpiresBefore time.Time

	// Now is the time that statuses are evaluated at. It is required with Status.
	Now time.Time

	// Cursor is [Page.Next] of a page of the same query; empty for the first page.
	Cursor string
	// Limit is the most tokens to give, up to [MaxLimit]; 0 is [DefaultLimit].
	Limit int
}

// Limits of one page.
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
	// maxScan bounds the rows that one call looks at.
	maxScan = 50_000
)

// QueryError says which field of a query is wrong, and how.
type QueryError struct {
	Field   string
	Problem string
}

func (e *QueryError) Error() string { return fmt.Sprintf("list tokens: %s %s", e.Field, e.Problem) }

func (q *Query) check() error {
	switch {
	case q.Tenant == "" && !q.AllTenants:
		return &QueryError{"tenant", "is missing"}
	case q.Tenant != "" && q.AllTenants:
		return &QueryError{"tenant", "is given together with all tenants: choose one"}
	case q.Limit < 0 || q.Limit > MaxLimit:
		return &QueryError{"limit", fmt.Sprintf("is %d: choose from 1 to %d", q.Limit, MaxLimit)}
	case q.Status != "" && !slices.Contains(Statuses(), q.Status):
		return &QueryError{"status", fmt.Sprintf("is %q: choose one of %v", q.Status, Statuses())}
	case q.Status != "" && q.Now.IsZero():
		return &QueryError{"now", "is missing: a status is one at a time"}
	}
	return nil
}

// matches reports whether a record is one that is asked for; its use is not looked
// at.
func (q *Query) matches(t *Token, lowerName string) bool {
	switch {
	case !q.AllTenants && t.Tenant != q.Tenant,
		q.Site != "" && t.Site != q.Site,
		q.Owner != "" && t.Owner != q.Owner,
		q.Scope != "" && !t.HasScope(q.Scope),
		!q.ExpiresBefore.IsZero() && (t.ExpiresAt.IsZero() || !t.ExpiresAt.Before(q.ExpiresBefore)),
		q.Status != "" && t.Status(q.Now) != q.Status,
		lowerName != "" && !strings.Contains(strings.ToLower(t.Name), lowerName):
		return false
	}
	return true
}

// unused reports whether a token that was used so is one that is asked for.
func (q *Query) unused(t *Token, u *Usage) bool {
	if q.UnusedSince.IsZero() {
		return true
	}
	last := u.LastUsedAt
	if last.IsZero() {
		last = t.CreatedAt
	}
	return last.Before(q.UnusedSince)
}

// walk is the part of an index that has all the tokens asked for, and few others.
type walk struct {
	kind         byte
	lower, upper []byte
	// skip is the length of what precedes the position in a key: an id, behind
	// its time in the expiry index.
	skip int
	size int // of the position
}

// plan chooses the index that is likely to have the fewest rows to look at.
func (q *Query) plan() walk {
	var prefix []byte
	w := walk{size: idSize}
	switch {
	case q.AllTenants:
		w.kind = kindToken
		prefix = []byte{kindToken}
	case q.Owner != "":
		w.kind = kindByOwner
		prefix = partPrefix(nil, w.kind, q.Tenant, q.Owner)
	case q.Status == StatusSuspended:
		w.kind = kindSuspended
		prefix = tenantPrefix(nil, w.kind, q.Tenant)
	case q.Site != "":
		w.kind = kindBySite
		prefix = partPrefix(nil, w.kind, q.Tenant, q.Site)
	case q.Status == StatusRevoked:
		w.kind = kindRevoked
		prefix = tenantPrefix(nil, w.kind, q.Tenant)
	case q.Status == StatusExpired || !q.ExpiresBefore.IsZero():
		w.kind = kindExpiry
		w.size += sortableTime
		prefix = tenantPrefix(nil, w.kind, q.Tenant)
		w.lower, w.upper, w.skip = prefix, appendSortableTime(slices.Clone(prefix), q.expiresBefore()), len(prefix)
		return w
	default:
		w.kind = kindByTenant
		prefix = tenantPrefix(nil, w.kind, q.Tenant)
	}
	w.lower, w.upper, w.skip = prefix, prefixEnd(prefix), len(prefix)
	return w
}

// expiresBefore is the end of the expiry index that is of interest.
func (q *Query) expiresBefore() time.Time {
	// A token is expired at the instant itself.
	atNow := q.Now.Add(time.Nanosecond)
	switch {
	case q.Status != StatusExpired:
		return q.ExpiresBefore
	case q.ExpiresBefore.IsZero() || atNow.Before(q.ExpiresBefore):
		return atNow
	}
	return q.ExpiresBefore
}
