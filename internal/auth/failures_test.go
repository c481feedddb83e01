package auth

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
)

func TestFailuresAreBoundedByCallerAndAddress(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	f := NewFailures(10)
	gateway, other := ulid.Make(), ulid.Make()
	home := netip.MustParseAddr("192.0.2.7")
	fail := func(caller ulid.ULID, from netip.Addr, reason commands.Reason) (commands.Use, error) {
		u := commands.Use{At: now, Reason: string(reason), UserAgent: "made up", Resource: "made up", Site: "s", Scopes: []string{"a"}, IP: from.String()}
		return u, f.Judge(&u, caller, from)
	}
	over := func(err error) bool {
		e, ok := errors.AsType[*commands.Error](err)
		return ok && e.Kind == commands.TooMany
	}
	for i := range 40 {
		if _, err := fail(gateway, home, commands.Unknown); err != nil {
			t.Fatalf("failure %d: %v", i, err)
		}
	}
	u, err := fail(gateway, home, commands.Revoked)
	if !over(err) || u.Reason != "revoked" || u.IP == "" || u.UserAgent+u.Resource+u.Site != "" || u.Scopes != nil {
		t.Errorf("above the bound: %+v, %v", u, err)
	}
	for name, err := range map[string]error{
		"another address":   second(fail(gateway, netip.MustParseAddr("192.0.2.8"), commands.Unknown)),
		"another caller":    second(fail(other, home, commands.Unknown)),
		"a good token":      second(fail(gateway, home, "")),
		"a scope it lacks":  second(fail(gateway, home, commands.InsufficientScope)),
		"at the wrong site": second(fail(gateway, home, commands.SiteMismatch)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	now = now.Add(100 * time.Millisecond)
	if _, err := fail(gateway, netip.MustParseAddr("::ffff:192.0.2.7"), commands.Unknown); err != nil {
		t.Errorf("a tenth of a second later: %v", err)
	}
	if _, err := fail(gateway, home, commands.Unknown); !over(err) {
		t.Errorf("the next: %v", err)
	}
}

func second(_ commands.Use, err error) error { return err }

// Who has a network of IPv6 has addresses without number.
func TestOneNetworkOfIPv6IsOneAddress(t *testing.T) {
	now := time.Now()
	f := NewFailures(1)
	at := netip.MustParseAddr("2001:db8::1")
	n := 0
	for range 100 {
		if !f.over(ulid.ULID{}, at, now) {
			n++
		}
		at = at.Next()
	}
	if n != burstSeconds {
		t.Errorf("%d of 100 addresses of one /64 were let by, want %d", n, burstSeconds)
	}
	if f.over(ulid.ULID{}, netip.MustParseAddr("2001:db8:0:1::1"), now) {
		t.Error("another /64 was taken for the same")
	}
}

// Addresses that are made up take no memory without bound, and do not wash away what is
// known of the one that goes on failing.
func TestFailuresRememberABoundedNumberOfAddresses(t *testing.T) {
	now := time.Now()
	f := NewFailures(1)
	home := netip.MustParseAddr("192.0.2.7")
	at := netip.MustParseAddr("10.0.0.1")
	let := 0
	for i := range 4 * maxFailing {
		f.over(ulid.ULID{}, at, now)
		at = at.Next()
		if i%100 == 0 && !f.over(ulid.ULID{}, home, now) {
			let++
		}
	}
	if n := len(f.now) + len(f.before); n > 2*maxFailing {
		t.Errorf("%d addresses are kept, %d are the most", n, 2*maxFailing)
	}
	if let != burstSeconds {
		t.Errorf("%d failures of one address were let by, want %d", let, burstSeconds)
	}
}
