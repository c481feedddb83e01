// Package natscreds says how a node signs in to a NATS server that is not its own.
//
// A server whose accounts stand in its configuration file knows its users by nkeys, a
// server in operator mode by user JWTs. Each has its kind of file, and a flag that names
// credentials takes either: what the file holds tells which it is.
package natscreds

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// most bounds a file of keys: a user JWT has some hundreds of bytes.
const most = 64 << 10

// beginsJWT stands in every file of credentials with a user JWT.
var beginsJWT = []byte("-----BEGIN NATS USER JWT-----")

// Option makes a connection sign in with what the file holds: a user JWT with its key
// (as nsc writes it), or a user nkey's seed alone. A seed that others than the file's
// owner may read is refused. The file is read again at each reconnect. No error holds
// what stands in the file.
func Option(file string) (nats.Option, error) {
	raw, err := read(file)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	if bytes.Contains(raw, beginsJWT) {
		return nats.UserCredentials(file), nil
	}
	key, err := seed(file, raw, nkeys.PrefixByteUser, "a user (SU…), or a .creds file with a user JWT")
	if err != nil {
		return nil, err
	}
	key.Wipe()
	option, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return option, nil
}

// User is Option for a list of them: what is wrong with the file is told by the attempt to
// connect.
func User(file string) nats.Option {
	return func(o *nats.Options) error {
		option, err := Option(file)
		if err != nil {
			return err
		}
		return option(o)
	}
}

// Account reads the seed of an account's nkey (SA…) from a file for its owner's eyes
// alone.
func Account(file string) (nkeys.KeyPair, error) {
	return key(file, nkeys.PrefixByteAccount, "an account (SA…)")
}

// Curve reads the seed of a curve key (SX…) from a file for its owner's eyes alone.
func Curve(file string) (nkeys.KeyPair, error) {
	return key(file, nkeys.PrefixByteCurve, "a curve key (SX…)")
}

func key(file string, kind nkeys.PrefixByte, name string) (nkeys.KeyPair, error) {
	raw, err := read(file)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	return seed(file, raw, kind, name)
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > most {
		return nil, fmt.Errorf("%s is too large to hold keys", file)
	}
	return raw, nil
}

// seed gives the key whose seed is all that the file holds.
func seed(file string, raw []byte, kind nkeys.PrefixByte, name string) (nkeys.KeyPair, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s holds a private key, and others may read it (mode %04o); take that from them: chmod 600 %s", file, info.Mode().Perm(), file)
	}
	is, _, err := nkeys.DecodeSeed(bytes.TrimSpace(raw))
	if err != nil || is != kind {
		return nil, fmt.Errorf("%s does not hold the seed of %s", file, name)
	}
	pair, err := nkeys.FromSeed(bytes.TrimSpace(raw))
	if err != nil {
		return nil, fmt.Errorf("%s does not hold the seed of %s", file, name)
	}
	return pair, nil
}
