package ledger

import (
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies whose word on where a request came from is
// believed.
type Proxies []netip.Prefix

// maxForwarded bounds the entries of X-Forwarded-For that are looked at.
const maxForwarded = 64

// Client gives the address that a request came from: the last one, seen from here, that
// is none of the proxies; or the first of all, where there are only proxies. peer is the address of the connection, forwardedFor the values
// of X-Forwarded-For in their order. Each proxy adds the address that it was called from
// at the end, so the walk begins there; what lies before an address that is no proxy's
// is that client's invention.
//
// It gives the zero Addr, not known, where peer is no configured proxy: whoever asks
// about a request is not where the request came from. So it does where the walk meets
// something that is no address, and where there is no such header.
func (p Proxies) Client(peer string, forwardedFor []string) netip.Addr {
	at, ok := address(peer)
	if !ok || !p.contains(at) {
		return netip.Addr{}
	}
	return p.walk(forwardedFor)
}

// From is Client for a proxy that tells from where it was called itself, beside the
// header.
func (p Proxies) From(peer, source string, forwardedFor []string) netip.Addr {
	at, ok := address(peer)
	if !ok || !p.contains(at) {
		return netip.Addr{}
	}
	if at, ok = address(source); !ok || !p.contains(at) {
		return at
	}
	if len(forwardedFor) == 0 {
		return at
	}
	return p.walk(forwardedFor)
}

func (p Proxies) walk(forwardedFor []string) netip.Addr {
	var at netip.Addr
	seen := 0
	for i := len(forwardedFor) - 1; i >= 0; i-- {
		for rest := forwardedFor[i]; ; {
			comma := strings.LastIndexByte(rest, ',')
			var ok bool
			if at, ok = address(strings.Trim(rest[comma+1:], " \t")); !ok {
				return netip.Addr{}
			}
			if seen++; seen > maxForwarded {
				return netip.Addr{}
			}
			if !p.contains(at) {
				return at
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return at
}

func (p Proxies) contains(at netip.Addr) bool {
	for _, n := range p {
		if n.Contains(at) {
			return true
		}
	}
	return false
}

// address reads an address with or without a port. A zone means something on the
// machine of whoever wrote it alone, and can be any text.
func address(s string) (netip.Addr, bool) {
	at, err := netip.ParseAddr(s)
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		at = with.Addr()
	}
	if at.Zone() != "" {
		return netip.Addr{}, false
	}
	return at.Unmap(), true
}
