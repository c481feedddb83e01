package httpapi

import "github.com/danielgtaylor/huma/v2"

// parameters describes what a route may be asked with, by name: the same name means the
// same everywhere.
var parameters = map[string]huma.Param{
	"id":     {Description: "A token's id: 26 characters, the middle part of the token.", Schema: text(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)},
	"seq":    {Description: "A sequence of the stream, from 1 on.", Schema: number(1, 0)},
	"path":   {Description: "The tile's path, as C2SP tlog-tiles has it: LEVEL/N[.p/W] or entries/N[.p/W].", Schema: text("")},
	"tenant": {Description: "The caller's own if left out; only ledger:root reaches others.", Schema: text(`^[a-z0-9][a-z0-9-]{0,62}$`)},

	"site":           {Description: "The site or system that the token is for.", Schema: text("")},
	"owner":          {Description: "Who answers for the token.", Schema: text("")},
	"name":           {Description: "Any part of the token's name, whatever its case.", Schema: text("")},
	"status":         {Description: "The token's status now; for a past moment, its status then.", Schema: oneOf("pending", "active", "suspended", "revoked", "expired")},
	"scope":          {Description: "A scope that the token was given.", Schema: text("")},
	"unused_since":   {Description: "Tokens that were neither used nor generated since.", Schema: moments()},
	"expires_before": {Description: "Tokens that expire, or expired, before.", Schema: moments()},
	"for":            {Description: "How long a token was not used: 90d or 12h; 90d if left out.", Schema: text("")},
	"cursor":         {Description: "The next_cursor of the page before.", Schema: text("")},
	"limit":          {Description: "The most rows of a page; 100 if left out.", Schema: number(1, 1000)},

	"actor": {Description: "The id of who did it (a person's bare subject too), the token that it signed in with, or its name when it acted.", Schema: text("")},
	"token": {Description: "The id of the token that the events are about.", Schema: text("")},
	"ip":    {Description: "The origin of a change, or the address of a use.", Schema: text("")},
	"kind":  {Description: "The last part of the subject: generated, revoked, used, …", Schema: text("")},
	"since": {Description: "Events that arrived then or later.", Schema: moments()},
	"until": {Description: "Events that arrived before.", Schema: moments()},
	"proof": {Description: "Whether to give a proof with every event.", Schema: &huma.Schema{Type: huma.TypeBoolean}},
	"count": {Description: "Whether to give numbers in the place of tokens.", Schema: &huma.Schema{Type: huma.TypeBoolean}},
	"time":  {Description: "The moment. One of time and seq is given.", Schema: moments()},
	"from":  {Description: "Where to begin: for a diff a time or a sequence, for a proof of consistency a number of entries.", Schema: text("")},
	"to":    {Description: "Where to end, as from.", Schema: text("")},

	"redirect_uri":          {Description: "Where a program on the person's machine listens: http://127.0.0.1:PORT/… or http://[::1]:PORT/….", Schema: text("")},
	"state":                 {Description: "Given back as it is, so that an answer is known to belong to its question.", Schema: text("")},
	"code_challenge":        {Description: "base64url of the SHA-256 of the program's verifier (RFC 7636).", Schema: text(`^[0-9A-Za-z_-]{43}$`)},
	"code_challenge_method": {Description: "How the challenge was made.", Schema: oneOf("S256")},
	"code":                  {Description: "The issuer's code, good once.", Schema: text("")},
	"iss":                   {Description: "The issuer that answers (RFC 9207).", Schema: text("")},
	"error":                 {Description: "The issuer's code for why it did not sign the person in.", Schema: text("")},
	"error_description":     {Description: "The issuer's words for that; they are not shown.", Schema: text("")},

	"Idempotency-Key": {Description: "Names this request, so that a repeat of it takes effect once.", Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255)}},
	"If-None-Match":   {Description: "ETags that the caller has seen; 304 if the answer is one of them.", Schema: text("")},
	"If-Match":        {Description: "The ETag of the record that is to be changed; 412 if it is another.", Schema: text("")},
}

// parameter describes one of them as it stands in a request.
func parameter(name, in string) *huma.Param {
	p := parameters[name]
	p.Name, p.In, p.Required = name, in, in == "path"
	return &p
}

func text(pattern string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: pattern}
}

func moments() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "date-time"} }

func oneOf(values ...any) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Enum: values} }

// number is a whole number; a most of 0 is no bound.
func number(least, most float64) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeInteger, Minimum: &least}
	if most > 0 {
		s.Maximum = &most
	}
	return s
}
