package httpapi

import (
	"net/http"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/secretscan"
)

// gitHub is who reports what comes signed by GitHub.
var gitHub = events.Actor{Type: "system", ID: "github-secret-scanning", Name: "GitHub secret scanning"}

// leaksGitHub takes what GitHub's secret scanning has found. It is the one open call
// that writes: the signature takes the place of a token.
func leaksGitHub(c *call) error {
	if c.api.GitHub == nil {
		return &commands.Error{Kind: commands.NotFound, Code: "leaks_github_off",
			Detail: "this node does not take messages of GitHub's secret scanning", Hint: "the operator turns it on with --leaks-github-keys"}
	}
	if c.r.ContentLength > secretscan.MaxMessage {
		return secretscan.TooLarge()
	}
	leave, err := c.api.GitHub.Enter()
	if err != nil {
		return err
	}
	defer leave()
	// Whoever sends slowly holds one of few places.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(secretscan.ReadWithin))
	matches, signedBy, err := c.api.GitHub.Receive(c.r.Context(), c.r.Header, c.r.Body)
	if err != nil {
		return err
	}
	feedback := make([]api.GitHubFeedback, len(matches))
	var leaks []commands.Leak
	var at []int // which match each leak is
	for i, m := range matches {
		feedback[i] = api.GitHubFeedback{TokenHash: m.Token.Hash().String(), TokenType: m.Type, Label: "false_positive"}
		if m.Token.Reveal() == "" {
			continue
		}
		at = append(at, i)
		leaks = append(leaks, commands.Leak{Token: m.Token, Source: m.Source, URL: m.URL, SecretType: m.Type, ReportedBy: "key " + signedBy})
	}
	if len(leaks) > 0 {
		session := auth.Verified(gitHub, c.origin(), commands.TokensRevoke)
		out, err := c.api.Ledger.ReportSignedLeaks(c.r.Context(), session, leaks)
		if err != nil {
			return err
		}
		for i := range out.Leaks {
			if out.Leaks[i].Known {
				feedback[at[i]].Label = "true_positive"
			}
		}
		c.seq(out.Seq, false)
	}
	return c.json(http.StatusOK, feedback)
}
