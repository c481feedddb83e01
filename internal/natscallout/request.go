package natscallout

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// The names that ADR-26 gives.
const (
	requestSubject  = "$SYS.REQ.USER.AUTH"
	requestAudience = "nats-authorization-request"
	xkeyHeader      = "Nats-Server-Xkey"
)

const (
	// mostRequest bounds a request; a client's certificates are in it.
	mostRequest = 256 << 10
	// skew is how far the server's clock may be behind this node's. A request is good for
	// as long as the server waits for its answer, some seconds. It has no use after that:
	// the answer is good for a key that only the server has.
	skew = time.Minute
)

// request is what a server asks, found to be in order.
type request struct {
	// user is the public key that stands for the client in the answer.
	user string
	// server is the id of the server, client the number of the connection there.
	server string
	client uint64
	// xkey, if the request was encrypted, is the key to encrypt the answer to.
	xkey string
	// kind is "Client" for a client; leaf nodes ask too.
	kind string
	// host is the client's address, without a port.
	host string
	// What the client showed.
	token, username, password string
}

// decode reads a request; xkey is the header by that name. A request is in order when a
// server has signed it, for the key that the answers here are signed with, a moment ago,
// and when it is encrypted if the node has a key for that. No error holds
// what a client has shown.
func decode(data []byte, xkey string, keys Keys, now time.Time) (request, error) {
	if len(data) > mostRequest {
		return request{}, errors.New("the request is too large")
	}
	switch {
	case keys.curve != nil:
		if !nkeys.IsValidPublicCurveKey(xkey) {
			return request{}, errors.New("the request is not encrypted, and the node has a key for that; name it in the server's auth_callout as xkey")
		}
		opened, err := keys.curve.Open(data, xkey)
		if err != nil {
			return request{}, errors.New("the request cannot be decrypted: its xkey is not this node's")
		}
		data = opened
	case xkey != "" || !bytes.HasPrefix(data, []byte("eyJ")):
		return request{}, errors.New("the request is encrypted, and the node has no key for that; give it --nats-callout-xkey")
	}
	claims, err := jwt.DecodeAuthorizationRequestClaims(string(data))
	if err != nil {
		return request{}, errors.New("the request is no signed authorization request")
	}
	var problems jwt.ValidationResults
	claims.Validate(&problems)
	switch {
	case claims.Issuer != claims.Server.ID || !nkeys.IsValidPublicServerKey(claims.Server.ID):
		return request{}, errors.New("the request is not signed by the server that it names")
	case claims.Audience != requestAudience:
		return request{}, errors.New("the request is meant for something else: its audience is not " + requestAudience)
	case claims.Subject != keys.issuer:
		return request{}, fmt.Errorf("the server's auth_callout names another issuer than this node's key, which is %s", keys.issuer)
	case !nkeys.IsValidPublicUserKey(claims.UserNkey):
		return request{}, errors.New("the request names no user key")
	case claims.Expires > 0 && now.Add(-skew).Unix() > claims.Expires:
		return request{}, errors.New("the request is too old; if that goes on, the server's clock differs from this node's")
	case keys.curve != nil && claims.Server.XKey != xkey:
		return request{}, errors.New("the request is encrypted with another key than the server signed for")
	case problems.IsBlocking(false):
		return request{}, errors.New("the request is not in order")
	}
	o := claims.ConnectOptions
	return request{
		user: claims.UserNkey, server: claims.Server.ID, client: claims.ClientInformation.ID, xkey: xkey,
		kind: claims.ClientInformation.Kind, host: claims.ClientInformation.Host,
		token: o.Token, username: o.Username, password: o.Password,
	}, nil
}

var errNoToken = errors.New("it shows no ledger token")

// shown gives the ledger token that the client shows: as its NATS token, or as the
// password of the user by the token's id; the user is given with it then.
func (r request) shown() (token, user string, err error) {
	switch {
	case r.kind != "Client":
		return "", "", fmt.Errorf("it is no client but a %q", r.kind)
	case r.token != "":
		return r.token, "", nil
	case r.username != "" && r.password != "":
		return r.password, r.username, nil
	}
	return "", "", errNoToken
}
