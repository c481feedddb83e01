package natscallout

import (
	"fmt"

	"github.com/nats-io/nkeys"
)

// Keys are what the node proves itself with to the server, and reads it by.
type Keys struct {
	// signing is the account key that the server's configuration names as the issuer,
	// issuer its public half.
	signing nkeys.KeyPair
	issuer  string
	// curve, if the server encrypts.
	curve nkeys.KeyPair
}

// NewKeys takes the account key that the answers are signed with, and the curve key that
// requests are encrypted to; nil if they are not.
func NewKeys(signing, curve nkeys.KeyPair) (Keys, error) {
	issuer, err := signing.PublicKey()
	if err != nil || !nkeys.IsValidPublicAccountKey(issuer) {
		return Keys{}, fmt.Errorf("the key for the answers is not an account's")
	}
	return Keys{signing, issuer, curve}, nil
}
