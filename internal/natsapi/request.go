package natsapi

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// maxRequest bounds a request's body, in bytes, as over HTTP.
const maxRequest = 128 << 10

// request is what is asked.
type request struct {
	cmd    commands.Validate
	minSeq uint64
}

// read reads the body of a request.
func read(body []byte) (r request, err error) {
	var in api.ValidateRequest
	if err := wire.Decode(body, &in); err != nil {
		return r, err
	}
	r.minSeq = in.MinSeq
	r.cmd, err = wire.ValidateCommand(api.ValidateItem{
		Token: in.Token, Scopes: in.Scopes, Site: in.Site, ClientIP: in.ClientIP, UserAgent: in.UserAgent, Resource: in.Resource,
	})
	return r, err
}

func tooLarge() error {
	return &commands.Error{Kind: commands.TooLarge, Code: "body_too_large",
		Detail: fmt.Sprintf("the request's body is larger than %d bytes; nothing was changed", maxRequest), Hint: "send less"}
}

// bearer takes the token out of the header Authorization, if there is one. Headers of
// NATS differ by the case of their letters, and clients take one for the other.
func bearer(h nats.Header) (token secret.Secret, given bool, err error) {
	for name, values := range h {
		if !strings.EqualFold(name, "Authorization") {
			continue
		}
		if given || len(values) != 1 {
			return secret.Secret{}, true, &commands.Error{Kind: commands.Invalid, Code: "header_repeated",
				Detail: "the request bears the header Authorization more than once", Hint: "send it once"}
		}
		token, given = wire.BearerOf(values[0]), true
	}
	return token, given, nil
}

// answerable reports whether an answer may go to a reply subject: it is an inbox, as all
// clients make them (_INBOX.…), or the subject under which a server keeps one of another
// account (_R_.…). To others the node may publish, and who asks may not: the stream's
// subjects and the interface of JetStream are among them.
func answerable(reply string) bool { return strings.HasPrefix(reply, "_") }
