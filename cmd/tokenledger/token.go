package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// tokenCmd is the verbs that concern tokens.
type tokenCmd struct {
	Generate tokenGenerateCmd `cmd:"" help:"Generate a token; its secret is shown once."`
	List     tokenListCmd     `cmd:"" help:"List tokens."`
	Show     tokenShowCmd     `cmd:"" help:"Show a token's record."`
	History  tokenHistoryCmd  `cmd:"" help:"Show what happened to a token, in order."`
	Revoke   tokenRevokeCmd   `cmd:"" help:"End tokens for good: by id, or all that a filter matches."`
	Rotate   tokenRotateCmd   `cmd:"" help:"Generate a token in the place of another, which ends."`
	Suspend  tokenSuspendCmd  `cmd:"" help:"Make a token not good until it is resumed."`
	Resume   tokenResumeCmd   `cmd:"" help:"End a token's suspension."`
	Update   tokenUpdateCmd   `cmd:"" help:"Change a token's labels."`
	Unused   tokenUnusedCmd   `cmd:"" help:"List active tokens that nobody uses."`
	Leaked   tokenLeakedCmd   `cmd:"" help:"Report a token that was found where it does not belong; it ends."`
	Import   tokenImportCmd   `cmd:"" help:"Take over existing keys by their SHA-256."`
}

// Help implements kong.HelpProvider.
func (tokenCmd) Help() string {
	return `Example:

    tokenledger token list --site shop.example`
}

// tokenID is the argument of the verbs that concern one token.
type tokenID struct {
	ID string `arg:"" help:"The token's id (26 characters), as token list gives it."`
}

// filter is the flags that choose tokens.
type filter struct {
	Tenant        string   `help:"Tenant; your own if not given."`
	Site          some     `help:"The site or system they are for."`
	Owner         some     `help:"Who answers for them."`
	Name          some     `help:"Any part of the name, in either case."`
	Status        status   `placeholder:"STATUS" help:"pending, active, suspended, revoked or expired."`
	Scope         some     `help:"A scope they hold."`
	UnusedSince   *past    `placeholder:"TIME|90d" help:"Neither used nor generated since then, or for that long."`
	ExpiresBefore *instant `placeholder:"TIME" help:"They expire, or expired, before then."`
}

// some is a text that has to be one where it is given: with an empty one, as an unset
// variable of a script gives, the filter would choose more than was meant.
type some string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *some) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("it is empty: give it a value, or leave it out")
	}
	*s = some(text)
	return nil
}

// status is one that a token can have.
type status string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *status) UnmarshalText(text []byte) error {
	return oneOf((*string)(s), text, "pending", "active", "suspended", "revoked", "expired")
}

// reasonCode is why a token ends, in a word.
type reasonCode string

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *reasonCode) UnmarshalText(text []byte) error {
	return oneOf((*string)(r), text, "leaked", "rotated", "unused", "offboarding", "requested", "other")
}

func oneOf(s *string, text []byte, allowed ...string) error {
	if !slices.Contains(allowed, string(text)) {
		return errors.New("it has to be one of " + strings.Join(allowed, ", "))
	}
	*s = string(text)
	return nil
}

func (f *filter) list(now time.Time) api.ListRequest {
	return api.ListRequest{
		Tenant: f.Tenant, Site: string(f.Site), Owner: string(f.Owner), Name: string(f.Name), Status: string(f.Status), Scope: string(f.Scope),
		UnusedSince: f.UnusedSince.before(now), ExpiresBefore: f.ExpiresBefore.orZero(),
	}
}

func (f *filter) bulk(now time.Time) api.Filter {
	b := api.Filter{
		Site: string(f.Site), Owner: string(f.Owner), Name: string(f.Name), Status: string(f.Status), Scope: string(f.Scope),
		ExpiresBefore: f.ExpiresBefore.pointer(),
	}
	if since := f.UnusedSince.before(now); !since.IsZero() {
		b.UnusedSince = &since
	}
	return b
}
