package main

import (
	"context"
	"fmt"

	"github.com/tokenledger/tokenledger/client/api"
)

type tokenLeakedCmd struct {
	SHA256 string `name:"sha256" placeholder:"HEX" help:"SHA-256 over the token, where you have no more than that; then standard input is not read."`
	Source string `help:"The kind of place it was found in, or what found it."`
	// Not --url: that is the node, and the token would go to wherever it was found.
	FoundAt string `placeholder:"URL" help:"Where it was found."`
	Note    string `help:"For people."`

	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenLeakedCmd) Help() string {
	return `The token comes on standard input. The report is recorded, and the token is revoked at once, or suspended, or left as it is, as the ledger's policy says (serve --policy-leaked). Your own token needs ledger:tokens:revoke. Reporting the same place again changes nothing. The exit code is 0 if the token is no longer good, or the policy is to leave it; 1 if the token is not one of your tenant, or had to be left good.

Example:

    tokenledger token leaked --source commit --found-at https://git.example/shop/blob/1a2b3c/deploy.sh < token.txt
    tokenledger token leaked --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`
}

// Run implements the verb.
func (c *tokenLeakedCmd) Run(ctx context.Context, m *Main) error {
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := api.LeaksRequest{SHA256: c.SHA256, Source: c.Source, URL: c.FoundAt, Note: c.Note}
	if c.SHA256 == "" {
		if req.Token, err = m.readToken(ctx, "token leaked"); err != nil {
			return err
		}
	}
	reported, err := cl.ReportLeaks(ctx, req, c.options()...)
	if err != nil {
		return doing("cannot report the leak", err)
	}
	if len(reported.Value.Leaks) != 1 {
		return fmt.Errorf("cannot report the leak: %s answered %d reports for one", cl.URL(), len(reported.Value.Leaks))
	}
	leak := reported.Value.Leaks[0]
	if c.JSON {
		err = m.printJSON(leak)
	} else {
		err = m.print(leakLine(leak))
	}
	if err == nil && !leakDealtWith(leak) {
		return withCode(exitFailed, nil)
	}
	return err
}

// leakDealtWith reports a token that is no longer good, or that the policy leaves.
func leakDealtWith(l api.LeakAnswer) bool {
	switch l.Status {
	case "revoked", "suspended", "expired":
		return l.Known
	}
	return l.Known && l.Reason == "policy"
}

// leakLine is the answer for people.
func leakLine(l api.LeakAnswer) string {
	if !l.Known {
		return "Not known here: it is no token of your tenant. Nothing was recorded.\n"
	}
	line := fmt.Sprintf("Token %s is %s", clean(l.TokenID), clean(l.Status))
	switch {
	case l.Action == "revoked" || l.Action == "suspended":
		line += ", by this report"
	case l.Detail != "":
		line += ": " + clean(l.Detail)
	case l.Reason == "already_revoked" || l.Reason == "already_suspended":
		line += ", as it was before"
	}
	if l.Recorded {
		return line + ". The leak is on record.\n"
	}
	return line + ". The leak was on record already.\n"
}
