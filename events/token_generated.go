package events

import (
	"time"

	"github.com/oklog/ulid/v2"
)

// TypeTokenGenerated is the type of [TokenGenerated].
const TypeTokenGenerated Type = "tokenledger.token.generated.v1"

// TokenGenerated says that a token came to be: minted here, or an existing key
// imported by its hash.
type TokenGenerated struct {
	About
	Name   string   `json:"name"`
	Site   string   `json:"site,omitempty"`
	Owner  string   `json:"owner,omitempty"`
	Scopes []string `json:"scopes,omitempty"`
	// SHA256 is over the whole token string. The string itself is stored nowhere.
	SHA256 Digest `json:"sha256"`
	// ExpiresAt is zero for a token that never expires.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// NotBefore is zero for a token that is good at once.
	NotBefore time.Time `json:"not_before,omitzero"`
	// AllowedCIDRs, if there are any, are the networks the token may be used from.
	AllowedCIDRs []string          `json:"allowed_cidrs,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	// RotatedFrom is the token that this one replaces.
	RotatedFrom ulid.ULID `json:"rotated_from,omitzero"`
	// Imported tokens are not of the ledger's own format and are found by SHA256.
	Imported bool `json:"imported,omitempty"`
	// Person is set on a token that is a person's session: who signed in.
	Person Person `json:"person,omitzero"`
}

// Type implements [Data].
func (*TokenGenerated) Type() Type { return TypeTokenGenerated }

func (d *TokenGenerated) check() error {
	if d.SHA256.IsZero() {
		return missing("sha256")
	}
	if d.Name == "" {
		return missing("name")
	}
	if err := d.Person.check(); err != nil {
		return within("person", err)
	}
	return d.checkToken()
}

func (d *TokenGenerated) encode(w *writer) {
	w.openWith(&d.About)
	w.string("name", d.Name)
	w.someString("site", d.Site)
	w.someString("owner", d.Owner)
	w.someStrings("scopes", d.Scopes)
	w.digest("sha256", d.SHA256)
	w.someTime("expires_at", d.ExpiresAt)
	w.someTime("not_before", d.NotBefore)
	w.someStrings("allowed_cidrs", d.AllowedCIDRs)
	if len(d.Metadata) > 0 {
		w.stringMap("metadata", d.Metadata)
	}
	w.someULID("rotated_from", d.RotatedFrom)
	w.someTrue("imported", d.Imported)
	w.somePerson("person", d.Person)
	w.close()
}

func (d *TokenGenerated) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "name":
			d.Name, err = r.string()
		case "site":
			d.Site, err = r.name()
		case "owner":
			d.Owner, err = r.name()
		case "scopes":
			d.Scopes, err = r.strings()
		case "sha256":
			err = r.text(&d.SHA256)
		case "expires_at":
			d.ExpiresAt, err = r.time()
		case "not_before":
			d.NotBefore, err = r.time()
		case "allowed_cidrs":
			d.AllowedCIDRs, err = r.strings()
		case "metadata":
			d.Metadata, err = r.stringMap()
		case "rotated_from":
			d.RotatedFrom, err = r.ulid()
		case "imported":
			d.Imported, err = r.bool()
		case "person":
			err = d.Person.decode(r)
		default:
			return r.fieldOrSkip(&d.About, key)
		}
		return err
	})
}
