package server

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tokenledger/tokenledger/internal/ledger"
)

// checkPublicURL refuses what cannot be the issuer of RFC 8414: clients compare it letter
// by letter, and send tokens to what begins with it.
func checkPublicURL(public string) error {
	if public == "" {
		return nil
	}
	u, err := url.Parse(public)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return misused("--public-url %q is not of the form https://HOST[:PORT]", public)
	case u.User != nil:
		return misused("--public-url holds credentials; give it without")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(public, "#"):
		return misused("--public-url %q has more than a host and a port; the node's paths begin at the root", public)
	}
	if u.Scheme == "http" {
		port := u.Port()
		if port == "" {
			port = "80"
		}
		if local, err := onLoopback(net.JoinHostPort(u.Hostname(), port)); err != nil || !local {
			return misused("--public-url %q is not https; clients would send tokens over the network in the clear", public)
		}
	}
	return nil
}

// issuer is the public URL without a slash at its end.
func (s *Server) issuer() string {
	if s.cfg.PublicURL == "" {
		return s.URL()
	}
	return strings.TrimSuffix(s.cfg.PublicURL, "/")
}

// proxies reads --trusted-proxies.
func (cfg *Config) proxies() (all ledger.Proxies, err error) {
	for _, text := range cfg.TrustedProxies {
		text = strings.TrimSpace(text)
		network, err := netip.ParsePrefix(text)
		if err != nil {
			at, err := netip.ParseAddr(text)
			if err != nil || at.Zone() != "" {
				return nil, misused("--trusted-proxies %q is neither a network (10.1.0.0/16) nor an address", text)
			}
			network = netip.PrefixFrom(at, at.BitLen())
		}
		if network.Bits() == 0 {
			return nil, misused("--trusted-proxies %q is everybody: then every client says itself where it comes from; name the proxies", text)
		}
		if at := network.Addr(); at.Is4In6() {
			if network.Bits() < 96 {
				return nil, misused("--trusted-proxies %q is no network of IPv4; write it as 192.0.2.0/24", text)
			}
			network = netip.PrefixFrom(at.Unmap(), network.Bits()-96)
		}
		all = append(all, network.Masked())
	}
	return all, nil
}
