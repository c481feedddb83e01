package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/time/rate"

	"github.com/tokenledger/tokenledger/commands"
)

// Failures bounds how often one caller may present, from one address, tokens that are
// not good. It looks at failures alone: a good token is never turned away because of
// what its neighbours behind the same proxy do.
//
// What is above the bound is still recorded, with its reason: a token that is used after
// its revocation is the strongest sign of a leak. But it is recorded without the texts
// that its bearer chose, so that the number of events that a flood comes to does not
// grow with what it makes up.
//
// It is safe for concurrent use, and keeps a bounded number of addresses. The zero value
// knows no bound.
type Failures struct {
	perSecond int

	mu sync.Mutex
	// Those that failed lately, and those that failed before that. When the first are
	// many, or old, they become the second, and the second are forgotten.
	now, before map[failing]*rate.Limiter
	since       time.Time
}

// failing is who failed, and from where.
type failing struct {
	caller ulid.ULID // zero for one who has not signed in
	from   netip.Addr
}

const (
	// maxFailing bounds one of the two generations.
	maxFailing = 1 << 16
	// failingFor is how long a generation lasts at the most.
	failingFor = time.Minute
	// burstSeconds is for how long a second's failures may come at once.
	burstSeconds = 4
)

// NewFailures allows so many failures a second, and four times as many at once; zero is
// no bound.
func NewFailures(perSecond int) *Failures { return &Failures{perSecond: perSecond} }

// over counts a failure at t and reports whether it is above the bound.
func (f *Failures) over(caller ulid.ULID, from netip.Addr, t time.Time) bool {
	if f == nil || f.perSecond == 0 {
		return false
	}
	return !f.of(failing{caller, network(from)}, t).AllowN(t, 1)
}

// network gives what one sender has at the least of addresses: a /64 of IPv6.
func network(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

func (f *Failures) of(key failing, t time.Time) *rate.Limiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.now[key]; ok {
		return l
	}
	if f.now == nil || len(f.now) >= maxFailing || t.Sub(f.since) > failingFor {
		f.before, f.now, f.since = f.now, make(map[failing]*rate.Limiter), t
	}
	l, ok := f.before[key]
	if !ok {
		l = rate.NewLimiter(rate.Limit(f.perSecond), burstSeconds*f.perSecond)
	}
	f.now[key] = l
	return l
}

// Judge holds a validation against the bound. One that fails above it loses, in its
// record, what the token's bearer chose, and the error says so to whoever asked. A good
// token that lacks a scope, or is shown at the wrong site, is no failure here.
func (f *Failures) Judge(use *commands.Use, caller ulid.ULID, from netip.Addr) error {
	switch commands.Reason(use.Reason) {
	case "", commands.InsufficientScope, commands.SiteMismatch:
		return nil
	}
	if !f.over(caller, from, use.At) {
		return nil
	}
	use.UserAgent, use.Site, use.Resource, use.Scopes = "", "", "", nil
	return &commands.Error{Kind: commands.TooMany, Code: "too_many_failures",
		Detail: "too many tokens that are not good were presented from this address; this one is not good either",
		Hint:   "wait a second; good tokens are answered all the time"}
}
