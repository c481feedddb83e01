package httpapi

import (
	"fmt"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// maxLeakReports bounds the reports of one call.
const maxLeakReports = 100

func reportLeaks(c *call) error {
	raw, err := c.body(maxBody)
	if err != nil {
		return err
	}
	leaks, err := leaksOf(raw)
	if err != nil {
		return err
	}
	out, err := c.api.Ledger.ReportLeaks(c.r.Context(), c.session, leaks)
	if err != nil {
		return err
	}
	answer := api.LeaksAnswer{Leaks: make([]api.LeakAnswer, len(out.Leaks))}
	now := c.api.Ledger.Now()
	for i := range out.Leaks {
		l := &out.Leaks[i]
		if !l.Known {
			continue
		}
		answer.Leaks[i] = api.LeakAnswer{
			Known: true, TokenID: l.Token.ID.String(), Tenant: l.Token.Tenant, Status: string(l.Token.Status(now)),
			Action: string(l.Action), Reason: l.Why, Recorded: l.Recorded, Detail: leakDetail(l.Why),
		}
	}
	c.seq(out.Seq, false)
	return c.json(http.StatusOK, answer)
}

// leakDetail says what has to be done about a token that was left good.
func leakDetail(why string) string {
	switch why {
	case commands.LeakLastRoot:
		return "it was NOT revoked: no other active token without an end and without networks holds " + commands.Root + ", and without one nobody could administer the ledger; generate another, then revoke this one"
	case commands.LeakAboveCaller:
		return "it was NOT revoked: it holds " + commands.Root + ", and your token does not; report the token itself, or ask somebody whose token holds it"
	case commands.LeakByPolicy:
		return "it was not revoked: this ledger's policy is to record leaks, and no more"
	case commands.LeakResumed:
		return "it was not suspended: it was suspended for this place before, and somebody has resumed it"
	}
	return ""
}

// leaksOf reads the body: one report, or several.
func leaksOf(raw []byte) ([]commands.Leak, error) {
	var in api.LeaksRequest
	if err := wire.Decode(raw, &in); err != nil {
		// Not what is wrong in particular: a key stands where a name should as easily
		// as the other way round, and here it would be a leaked one, of any form.
		return nil, &commands.Error{Kind: commands.Invalid, Code: "body_invalid", Detail: "the body is not one JSON object of the fields token, sha256, source, url and note, or of leaks with such objects",
			Hint: "each field is a string and stands once; they are described at /openapi.json"}
	}
	own := api.LeakReport{Token: in.Token, SHA256: in.SHA256, Source: in.Source, URL: in.URL, Note: in.Note}
	reports := in.Leaks
	switch {
	case in.Leaks == nil:
		reports = []api.LeakReport{own}
	case own != api.LeakReport{}:
		return nil, leaksInvalid("the body has leaks, and a report beside it", "give one report, or leaks alone")
	case len(in.Leaks) == 0 || len(in.Leaks) > maxLeakReports:
		return nil, leaksInvalid(fmt.Sprintf("the body has %d reports; it takes 1 to %d", len(in.Leaks), maxLeakReports), "send them in parts")
	}
	leaks := make([]commands.Leak, len(reports))
	for i, r := range reports {
		leaks[i] = commands.Leak{Token: secret.Of(r.Token), Source: r.Source, URL: r.URL, Note: r.Note}
		if (r.Token == "") == (r.SHA256 == "") {
			return nil, leaksInvalid("a report has neither token nor sha256, or both", "give the token that was found, or the SHA-256 over it")
		}
		if r.SHA256 == "" {
			continue
		}
		if leaks[i].SHA256 = (events.Digest{}); leaks[i].SHA256.UnmarshalText([]byte(r.SHA256)) != nil || leaks[i].SHA256.IsZero() {
			return nil, &commands.Error{Kind: commands.Invalid, Code: "sha256_invalid", Detail: "sha256 is not 64 hex digits", Hint: "give the SHA-256 over the whole token, or the token itself as token"}
		}
	}
	return leaks, nil
}

func leaksInvalid(detail, hint string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "leaks_invalid", Detail: detail, Hint: hint}
}
