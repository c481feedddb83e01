package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
)

// fresh gives a well-formed token that no ledger has issued.
func fresh() string { return secret.Mint("tl", ulid.Make()).Reveal() }

// otherSecret gives a well-formed token with the id of token and another secret.
func otherSecret(token string) string {
	id, err := secret.Parse(secret.Of(token))
	if err != nil {
		panic(err)
	}
	return secret.Mint("tl", id).Reveal()
}

// sha256Of is the hash of a key as an import names it.
func sha256Of(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
