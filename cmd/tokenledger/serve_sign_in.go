package main

import (
	"time"

	"github.com/tokenledger/tokenledger/internal/server"
)

// serveSignIn is the flags of how people sign in.
type serveSignIn struct {
	OIDCIssuer           string        `name:"oidc-issuer" env:"TOKENLEDGER_OIDC_ISSUER" placeholder:"URL" help:"The OpenID Connect issuer that vouches for people; without it nobody can sign in."`
	OIDCClientID         string        `name:"oidc-client-id" env:"TOKENLEDGER_OIDC_CLIENT_ID" placeholder:"ID" help:"What the issuer knows this ledger by."`
	OIDCClientSecretFile string        `name:"oidc-client-secret-file" env:"TOKENLEDGER_OIDC_CLIENT_SECRET_FILE" placeholder:"FILE" help:"File with the client's secret; without it the client is a public one."`
	OIDCScopes           []string      `name:"oidc-scopes" env:"TOKENLEDGER_OIDC_SCOPES" default:"profile,email" placeholder:"SCOPE,…" help:"Scopes to ask the issuer for, beside openid."`
	OIDCGroupsClaim      string        `name:"oidc-groups-claim" env:"TOKENLEDGER_OIDC_GROUPS_CLAIM" default:"groups" placeholder:"CLAIM" help:"The claim with a person's groups."`
	OIDCNameClaim        string        `name:"oidc-name-claim" env:"TOKENLEDGER_OIDC_NAME_CLAIM" default:"email" placeholder:"CLAIM" help:"The claim with the name that people know a person by."`
	OIDCGrant            []string      `name:"oidc-grant" env:"TOKENLEDGER_OIDC_GRANT" placeholder:"GROUP=ROLE[@TENANT],…" help:"The role that a group has, in the tenant default if none is named. A comma in a group is written \\,."`
	OIDCSession          time.Duration `name:"oidc-session" env:"TOKENLEDGER_OIDC_SESSION" default:"8h" help:"How long a person's session is good: 1m to 168h."`
}

func (s *serveSignIn) signIn() server.SignIn {
	return server.SignIn{
		Issuer: s.OIDCIssuer, ClientID: s.OIDCClientID, ClientSecretFile: s.OIDCClientSecretFile, Scopes: s.OIDCScopes,
		GroupsClaim: s.OIDCGroupsClaim, NameClaim: s.OIDCNameClaim, Grants: s.OIDCGrant, Session: s.OIDCSession,
	}
}
