package events

import (
	"encoding/hex"
	"errors"
)

// Digest is a SHA-256, written in lower-case hex.
type Digest [32]byte

// String gives the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether no digest was given.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements [encoding.TextMarshaler].
func (d Digest) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, d[:]), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It takes 64 hex digits of
// either case.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) {
		return errors.New("a SHA-256 is 64 hex digits")
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return errors.New("a SHA-256 is 64 hex digits")
	}
	return nil
}
