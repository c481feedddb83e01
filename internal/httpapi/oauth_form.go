package httpapi

import (
	"encoding/base64"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/wire"
)

const formType = "application/x-www-form-urlencoded"

// maxForm bounds the forms of OAuth, in bytes.
const maxForm = 32 << 10

func badForm(detail, hint string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "form_invalid", Detail: detail, Hint: hint}
}

// form reads the body as the parameters of OAuth, of which it gives those that are
// known here; token has to be among them. RFC 6749, 3.1 and 3.2, say how: what is not
// known is passed over, what has no value counts as left out, and nothing may come
// twice. (A query in the URL was refused before: these calls have no parameters there.)
func (c *call) form(known ...string) (map[string]string, error) {
	contentType, err := once(c.r, "Content-Type")
	if err != nil {
		return nil, err
	}
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != formType {
		return nil, badForm("the body is not sent as "+formType, "say so in Content-Type, and send the parameters in that form")
	}
	raw, err := c.body(maxForm)
	if err != nil {
		return nil, err
	}
	form, err := parseForm(string(raw), known...)
	if err != nil {
		return nil, err
	}
	if form["token"] == "" {
		return nil, badForm("the parameter token is missing", "send the token as token=tl_…")
	}
	return form, nil
}

// parseForm is form without the request. What was sent is not repeated in an error.
func parseForm(raw string, known ...string) (map[string]string, error) {
	all, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badForm("the body cannot be read as a form", "escape what stands in it, and separate parameters by &")
	}
	form := make(map[string]string, len(known))
	for name, values := range all {
		if len(values) > 1 {
			return nil, badForm("a parameter comes more than once", "give each parameter once")
		}
		if name == "client_secret" || name == "client_assertion" {
			return nil, badForm("the body bears credentials of the caller", "the caller shows its token in the header Authorization, by Basic or Bearer, and in no other way")
		}
		if slices.Contains(known, name) {
			form[name] = values[0]
		}
	}
	return form, nil
}

// isBasic reports a header of the scheme Basic.
func isBasic(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return strings.EqualFold(scheme, "Basic")
}

// signInClient settles who calls an endpoint of OAuth: by Bearer, or by Basic with the
// token's id as the user and the token as the password.
func signInClient(c *call) error {
	value, err := once(c.r, "Authorization")
	if err != nil {
		return err
	}
	key, err := once(c.r, "Idempotency-Key")
	if err != nil {
		return err
	}
	ctx, door := c.r.Context(), c.api.Ledger
	if isBasic(value) {
		id, token := parseBasic(value)
		c.session, err = door.SignInAs(ctx, id, token, c.origin(), c.route.pattern())
	} else {
		c.session, err = door.SignIn(ctx, wire.BearerOf(value), c.origin(), c.route.pattern())
	}
	c.session.IdempotencyKey = key
	return err
}

// parseBasic takes the id and the token out of a header of the scheme Basic (RFC 7617).
// Both are escaped as in a form (RFC 6749, 2.3.1). Of a header that cannot be read the
// token is the text as it came, which nothing matches, so that the attempt is recorded.
func parseBasic(value string) (ulid.ULID, secret.Secret) {
	_, encoded, _ := strings.Cut(value, " ")
	unread := secret.Of(value)
	plain, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return ulid.ULID{}, unread
	}
	user, password, ok := strings.Cut(string(plain), ":")
	if !ok {
		return ulid.ULID{}, unread
	}
	if user, err = url.QueryUnescape(user); err != nil {
		return ulid.ULID{}, unread
	}
	if password, err = url.QueryUnescape(password); err != nil || password == "" {
		return ulid.ULID{}, unread
	}
	id, err := events.ParseID(user)
	if err != nil {
		id = ulid.ULID{} // no token has it
	}
	return id, secret.Of(password)
}
