package server

import (
	"net"
	"net/url"
	"strings"
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
