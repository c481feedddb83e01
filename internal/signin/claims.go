package signin

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tokenledger/tokenledger/commands"
)

// claims are what the issuer says of a person, by name.
type claims map[string]json.RawMessage

// has reports whether the claim is there. The null that some issuers write for a claim
// that they do not make is none.
func (c claims) has(name string) bool {
	raw, ok := c[name]
	return ok && string(raw) != "null"
}

// text gives a claim that is a string, "" where there is none.
func (c claims) text(name string) (s string, err error) {
	if !c.has(name) {
		return "", nil
	}
	return s, json.Unmarshal(c[name], &s)
}

// Bounds on the groups that are read. What a grant can name is shorter.
const (
	maxGroups     = 2000
	maxGroupBytes = 64 << 10
)

// groups reads the claim with the person's groups: a list of strings, or the one that
// some issuers give without a list.
func (c claims) groups(name string) ([]string, error) {
	if !c.has(name) {
		hint := "have the issuer put the groups into the id token or the userinfo under this name, or name its claim with --oidc-groups-claim"
		if c.has("_claim_names") {
			hint = "the issuer refers to another place for claims that are too long; have it tell only the groups that are meant for the ledger"
		}
		return nil, &commands.Error{Kind: commands.Forbidden, Code: "groups_missing",
			Detail: fmt.Sprintf("the issuer does not say which groups you are in: there is no claim %q; no session was made", commands.Clean(name)), Hint: hint}
	}
	raw := c[name]
	if len(raw) > maxGroupBytes {
		return nil, badGroups(name, fmt.Sprintf("has %d bytes; the ledger reads %d at the most", len(raw), maxGroupBytes))
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []*string // so that a null in the list is told from ""
	if json.Unmarshal(raw, &many) != nil {
		return nil, badGroups(name, "is neither a string nor a list of strings")
	}
	if len(many) > maxGroups {
		return nil, badGroups(name, fmt.Sprintf("lists %d groups; the ledger reads %d at the most", len(many), maxGroups))
	}
	groups := make([]string, len(many))
	for i, g := range many {
		if g == nil {
			return nil, badGroups(name, "lists something that is no string")
		}
		groups[i] = *g
	}
	return groups, nil
}

func badGroups(name, problem string) error {
	return &commands.Error{Kind: commands.Forbidden, Code: "claims_refused",
		Detail: fmt.Sprintf("the issuer's claim %q %s; no session was made", commands.Clean(name), problem), Hint: "have the issuer tell only the groups that are meant for the ledger, as a list of names"}
}

// name gives what people know the person by. An e-mail address that the issuer has not
// verified is anybody's, and passed over.
func (c claims) name(first string) string {
	for _, claim := range []string{first, "email", "preferred_username", "name"} {
		if string(c["email_verified"]) == "false" && claim == "email" {
			continue
		}
		if s, err := c.text(claim); err == nil && s != "" {
			return s
		}
	}
	return ""
}

// addUserInfo adds the claims that the issuer tells at its userinfo endpoint alone
// (OpenID Connect Core 1.0, section 5.4). Those of the id token stay.
func (c claims) addUserInfo(ctx context.Context, provider *oidc.Provider, token *oauth2.Token, subject string) error {
	if provider.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return unavailable("it does not answer at its userinfo endpoint", err)
	}
	if info.Subject != subject {
		return untrue("the userinfo is about somebody else", nil)
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return untrue("the userinfo cannot be read", err)
	}
	for name, value := range more {
		if !c.has(name) {
			c[name] = value
		}
	}
	return nil
}
