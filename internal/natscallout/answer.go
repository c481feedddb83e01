package natscallout

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
)

// refusal is all that the server, and its log, are told of why.
const refusal = "not admitted"

// denied are subjects that no client may publish to, whatever it was granted: events are
// the nodes' to publish, and the stream is theirs to change.
var denied = []string{
	"ledger.>", "revocations.>",
	"$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.DELETE.>", "$JS.API.STREAM.PURGE.>",
	"$JS.API.STREAM.MSG.DELETE.>", "$JS.API.STREAM.RESTORE.>", "$JS.API.STREAM.SNAPSHOT.>",
	"$JS.API.STREAM.PEER.>", "$JS.API.STREAM.LEADER.>", "$JS.API.CONSUMER.DELETE.>", "$JS.API.CONSUMER.LEADER.>",
	"$JS.API.META.>", "$JS.API.SERVER.>", "$JS.API.ACCOUNT.>", "$SYS.>",
}

// permissions says what was granted as the server understands it. To the server an empty
// list of what is allowed means everything.
func permissions(a Admitted) jwt.Permissions {
	var p jwt.Permissions
	p.Sub.Allow = slices.Clone(a.Subscribe)
	if len(p.Sub.Allow) == 0 {
		p.Sub.Deny = jwt.StringList{">"}
	}
	p.Pub.Allow, p.Pub.Deny = slices.Clone(a.Publish), slices.Clone(denied)
	if len(p.Pub.Allow) == 0 {
		p.Pub.Deny = jwt.StringList{">"}
	}
	return p
}

// user is the user JWT that lets the client in, until the given time, to the second
// before it.
func user(r request, a Admitted, account string, until time.Time, keys Keys) (string, error) {
	claims := jwt.NewUserClaims(r.user)
	claims.Name = a.Token.String()
	claims.Audience = account
	claims.Expires = until.Unix()
	claims.Permissions = permissions(a)
	claims.AllowedConnectionTypes = jwt.StringList{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket}
	return claims.Encode(keys.signing)
}

// encode gives the answer to a request as it is sent: with the user JWT that lets the
// client in, or, if that is empty, a refusal.
func encode(r request, user string, keys Keys) ([]byte, error) {
	claims := jwt.NewAuthorizationResponseClaims(r.user)
	claims.Audience = r.server
	claims.Jwt = user
	if user == "" {
		claims.Error = refusal
	}
	signed, err := claims.Encode(keys.signing)
	if err != nil || r.xkey == "" {
		return []byte(signed), err
	}
	return keys.curve.Seal([]byte(signed), r.xkey)
}
