package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy is what the operator demands of new tokens, and of those that nobody uses.
type Policy struct {
	// MaxLife bounds the time from now to a token's expiry. Zero is no bound;
	// otherwise every new token has to expire.
	MaxLife time.Duration
	// AllowedScopes are the scopes that tokens may be given; a trailing "*"
	// stands for any ending. Empty allows every scope. The ledger's own
	// permissions are not subject to it: holding them is what counts.
	AllowedScopes []string
	// NameLength and SiteLength are what a name and a site need at least and may
	// have at most, in characters. Zero bounds take the defaults: 1 to 200 for
	// names, 0 to 200 for sites.
	NameLength, SiteLength Length
	// RevokeUnused ends active tokens that nobody has used for that long. Zero ends none.
	RevokeUnused time.Duration
	// Leaked says what becomes of a token that is reported as leaked; empty revokes.
	Leaked LeakPolicy
}

// Length is a range of lengths in characters, both ends included.
type Length struct{ Min, Max int }

const (
	defaultMinName = 1
	maxLabel       = 200
)

func (l Length) or(min, max int) Length {
	if l.Min > 0 {
		min = l.Min
	}
	if l.Max > 0 {
		max = l.Max
	}
	return Length{min, max}
}

// Check reports a policy that no token could meet, or that is no policy.
func (p Policy) Check() error {
	for what, l := range map[string]Length{"name": p.NameLength.or(defaultMinName, maxLabel), "site": p.SiteLength.or(0, maxLabel)} {
		if l.Min > l.Max || l.Max > maxLabel {
			return fmt.Errorf("policy: a %s cannot have at least %d and at most %d characters; the most there is is %d", what, l.Min, l.Max, maxLabel)
		}
	}
	if p.RevokeUnused != 0 && p.RevokeUnused < minRevokeUnused {
		return fmt.Errorf("policy: tokens that were not used for %s cannot be revoked; the least is %s", p.RevokeUnused, showDuration(minRevokeUnused))
	}
	if p.MaxLife < 0 {
		return fmt.Errorf("policy: a longest life of %s is negative", p.MaxLife)
	}
	if p.Leaked != "" && !slices.Contains(LeakPolicies(), p.Leaked) {
		return fmt.Errorf("policy: %q is not what can become of a leaked token: choose one of %v", p.Leaked, LeakPolicies())
	}
	for _, s := range p.AllowedScopes {
		if !validScope(s) {
			return fmt.Errorf("policy: %q is not a scope: 1 to 128 of A-Z a-z 0-9 . _ : / * -", s)
		}
	}
	return nil
}

// checkLife holds a new token's times against now and the longest life.
func (p Policy) checkLife(now, notBefore, expiresAt time.Time) error {
	if expiresAt.IsZero() {
		if p.MaxLife > 0 {
			return invalid("expiry_required",
				fmt.Sprintf("this ledger's policy lets a token live %s at most, and the request sets no expiry", showDuration(p.MaxLife)),
				"set ttl or expires_at")
		}
		return nil
	}
	if !expiresAt.After(now) {
		return invalid("expiry_past", fmt.Sprintf("the expiry %s is not in the future (it is %s now)", showTime(expiresAt), showTime(now)),
			"set expires_at to a later time, or ttl")
	}
	if !notBefore.IsZero() && !expiresAt.After(notBefore) {
		return invalid("expiry_before_start", fmt.Sprintf("the token would expire at %s, before it is good from %s on", showTime(expiresAt), showTime(notBefore)),
			"set expires_at later than not_before")
	}
	if p.MaxLife > 0 && expiresAt.Sub(now) > p.MaxLife {
		return invalid("life_too_long",
			fmt.Sprintf("this ledger's policy lets a token live %s at most, and the request asks for more: until %s", showDuration(p.MaxLife), showTime(expiresAt)),
			"set a nearer expires_at or a shorter ttl")
	}
	return nil
}

// checkScopes holds the scopes of a new token against the alphabet, the policy,
// and the rule that nobody grants a permission which he does not hold.
func (p Policy) checkScopes(caller Caller, scopes []string) error {
	if len(scopes) > maxScopes {
		return tooManyScopes(len(scopes))
	}
	for _, s := range scopes {
		if err := checkScope(s); err != nil {
			return err
		}
		if strings.HasPrefix(s, PermissionPrefix) {
			if !slices.Contains(Permissions(), s) {
				return invalid("unknown_permission", fmt.Sprintf("%q is no permission of the ledger", s),
					"the permissions are "+strings.Join(Permissions(), " "))
			}
			if !caller.Holds(s) {
				return &Error{Kind: Forbidden, Code: "grant_not_held",
					Detail: fmt.Sprintf("you cannot give the permission %q: your own token does not hold it", s),
					Hint:   "ask somebody who holds it, or leave it out"}
			}
			continue
		}
		if len(p.AllowedScopes) > 0 && !coversAll(p.AllowedScopes, []string{s}) {
			return invalid("scope_not_allowed", fmt.Sprintf("this ledger's policy does not allow the scope %q", s),
				"the scopes it allows are "+strings.Join(p.AllowedScopes, " "))
		}
	}
	return nil
}

func tooManyScopes(n int) error {
	return invalid("too_many_scopes", fmt.Sprintf("%d scopes are more than the %d that a token may have", n, maxScopes), "give a wider scope, or several tokens")
}

func showTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// showDuration writes whole days as days, the way people set them.
func showDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
