package main

import (
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
	Tenant      string `help:"Tenant; your own if not given."`
	Site        string `help:"The site or system they are for."`
	Owner       string `help:"Who answers for them."`
	Name        string `help:"Any part of the name, in either case."`
	Status      string `placeholder:"STATUS" enum:",pending,active,suspended,revoked,expired" default:"" help:"pending, active, suspended, revoked or expired."`
	Scope       string `help:"A scope they hold."`
	UnusedSince *past  `placeholder:"TIME|90d" help:"Neither used nor generated since then, or for that long."`
}

func (f *filter) list(now time.Time) api.ListRequest {
	return api.ListRequest{
		Tenant: f.Tenant, Site: f.Site, Owner: f.Owner, Name: f.Name, Status: f.Status, Scope: f.Scope,
		UnusedSince: f.UnusedSince.before(now),
	}
}

func (f *filter) bulk(now time.Time) api.Filter {
	b := api.Filter{Site: f.Site, Owner: f.Owner, Name: f.Name, Status: f.Status, Scope: f.Scope}
	if since := f.UnusedSince.before(now); !since.IsZero() {
		b.UnusedSince = &since
	}
	return b
}
