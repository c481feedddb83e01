package server

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/signin"
)

// SignIn says how people sign in. The zero value lets nobody sign in.
type SignIn struct {
	// Issuer is the URL of the OpenID Connect issuer; empty turns sign-in off.
	Issuer string
	// ClientID is what the issuer knows the ledger by. ClientSecretFile, if set, holds
	// the client's secret; without it the client is a public one.
	ClientID, ClientSecretFile string
	// Scopes are asked for beside "openid".
	Scopes []string
	// GroupsClaim and NameClaim name the claims with a person's groups and name.
	GroupsClaim, NameClaim string
	// Grants are of the form GROUP=ROLE or GROUP=ROLE@TENANT.
	Grants []string
	// Session is how long a session is good.
	Session time.Duration
}

const (
	minSession = time.Minute
	maxSession = 7 * 24 * time.Hour
)

// check reports settings of sign-in that cannot be followed.
func (s *SignIn) check(cfg *Config) error {
	if s.Issuer == "" {
		if s.ClientID != "" || s.ClientSecretFile != "" || len(s.Grants) > 0 {
			return misused("the settings --oidc-… need --oidc-issuer; without it nobody can sign in")
		}
		return nil
	}
	if err := signin.CheckURL(s.Issuer); err != nil {
		return misused("--oidc-issuer cannot be used: %v", err)
	}
	if len(s.Issuer) > 255 || strings.Contains(s.Issuer, "?") {
		return misused("--oidc-issuer is no issuer's URL: it has a query, or more than 255 bytes")
	}
	switch {
	case s.ClientID == "":
		return misused("--oidc-issuer needs --oidc-client-id: what the issuer knows this ledger by")
	case s.GroupsClaim == "" || s.NameClaim == "":
		return misused("--oidc-groups-claim and --oidc-name-claim need names of claims")
	case s.Session < minSession || s.Session > maxSession:
		return misused("--oidc-session %s is out of range; it takes 1m to 168h", s.Session)
	case len(s.Grants) == 0:
		return misused("--oidc-issuer needs --oidc-grant GROUP=ROLE: without one nobody who signs in may do anything")
	}
	if _, err := s.people(); err != nil {
		return err
	}
	if cfg.PublicURL != "" {
		return nil
	}
	if local, err := onLoopback(cfg.HTTP); err == nil && !local {
		return misused("--oidc-issuer needs --public-url: the issuer sends people back there, and --http %s is no address that their browsers could be sent to", cfg.HTTP)
	}
	return nil
}

// people gives what the commands need to know of people.
func (s *SignIn) people() (commands.People, error) {
	p := commands.People{Life: s.Session}
	for _, text := range s.Grants {
		g, err := commands.ParseGrant(text)
		if err != nil {
			return p, misused("--oidc-grant %v", err)
		}
		p.Grants = append(p.Grants, g)
	}
	return p, nil
}

// maxClientSecret bounds the file of the client's secret, in bytes.
const maxClientSecret = 4096

func (s *SignIn) clientSecret() (string, error) {
	if s.ClientSecretFile == "" {
		return "", nil
	}
	f, err := os.Open(s.ClientSecretFile)
	if err != nil {
		return "", misused("--oidc-client-secret-file cannot be read: %v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxClientSecret+1))
	if err != nil {
		return "", misused("--oidc-client-secret-file cannot be read: %v", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" || len(b) > maxClientSecret {
		return "", misused("--oidc-client-secret-file %s does not hold a secret alone", s.ClientSecretFile)
	}
	return secret, nil
}

// openSignIn readies the way in for people. The issuer is not called before somebody
// comes: one that is down keeps no node from starting.
func (s *Server) openSignIn(context.Context) error {
	in := &s.cfg.SignIn
	if in.Issuer == "" {
		return nil
	}
	secret, err := in.clientSecret()
	if err != nil {
		return err
	}
	s.people, err = signin.New(signin.Config{
		Issuer: in.Issuer, ClientID: in.ClientID, ClientSecret: secret, Scopes: in.Scopes,
		GroupsClaim: in.GroupsClaim, NameClaim: in.NameClaim, RedirectURL: s.issuer() + "/v1/session/callback",
	})
	if err != nil {
		return err
	}
	s.onStop(s.people.Close)
	return nil
}
