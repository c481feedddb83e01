package secretscan

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

const (
	// maxKeySet bounds a key set, in bytes; GitHub's has about 1 KB.
	maxKeySet = 64 << 10
	// maxKeys bounds the keys of a set.
	maxKeys = 100
	// maxIdentifier bounds a key's identifier, in bytes; GitHub's have 64.
	maxIdentifier = 256
)

// keySet is the keys that messages are verified with, by their identifiers.
type keySet map[string]*ecdsa.PublicKey

// parseKeys reads a key set. A key that is none on P-256 is an error: passed over, it
// would be missed on the day that it signs.
func parseKeys(raw []byte) (keySet, error) {
	var set struct {
		PublicKeys []struct {
			Identifier string `json:"key_identifier"`
			Key        string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New(`it is not JSON of the form {"public_keys":[{"key_identifier":"…","key":"-----BEGIN PUBLIC KEY-----…"}]}`)
	}
	switch n := len(set.PublicKeys); {
	case n == 0:
		return nil, errors.New("it has no public_keys")
	case n > maxKeys:
		return nil, fmt.Errorf("it has %d keys; %d are the most", n, maxKeys)
	}
	keys := make(keySet, len(set.PublicKeys))
	for i, k := range set.PublicKeys {
		if k.Identifier == "" || len(k.Identifier) > maxIdentifier {
			return nil, fmt.Errorf("key %d of it has no key_identifier of 1 to %d bytes", i+1, maxIdentifier)
		}
		if keys[k.Identifier] != nil {
			return nil, fmt.Errorf("key %d of it has the key_identifier of another", i+1)
		}
		key, err := parseKey(k.Key)
		if err != nil {
			return nil, fmt.Errorf("key %d of it %w", i+1, err)
		}
		keys[k.Identifier] = key
	}
	return keys, nil
}

func parseKey(text string) (*ecdsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is not in PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("is not a public key (PKIX)")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("is not an ECDSA key on P-256")
	}
	return key, nil
}
