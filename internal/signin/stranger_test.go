package signin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/tokenledger/tokenledger/internal/signin/signintest"
)

// stranger signs the claims of a JWT with a key that no issuer publishes.
func stranger(t *testing.T, raw string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signintest.SignWith(t, jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, signintest.Payload(t, raw))
}
