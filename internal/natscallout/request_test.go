package natscallout

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// asker is a NATS server that asks, with the keys that it has for that.
type asker struct {
	key, curve nkeys.KeyPair
	id, xkey   string
	user       string
}

func public(tb testing.TB, pair nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	key, err := pair.PublicKey()
	if err != nil {
		tb.Fatal(err)
	}
	return pair, key
}

func newAsker(tb testing.TB) asker {
	tb.Helper()
	var a asker
	pair, err := nkeys.CreateServer()
	a.key, a.id = public(tb, pair, err)
	pair, err = nkeys.CreateCurveKeys()
	a.curve, a.xkey = public(tb, pair, err)
	pair, err = nkeys.CreateUser()
	_, a.user = public(tb, pair, err)
	return a
}

// claims are those of a request that is in order.
func (a asker) claims(keys Keys, now time.Time) *jwt.AuthorizationRequestClaims {
	c := jwt.NewAuthorizationRequestClaims(keys.issuer)
	c.Audience, c.UserNkey, c.Server.ID, c.Server.XKey = requestAudience, a.user, a.id, a.xkey
	c.Expires = now.Add(2 * time.Second).Unix()
	c.ClientInformation = jwt.ClientInformation{Host: "192.0.2.7", ID: 7, Kind: "Client"}
	c.ConnectOptions.Token = "tl_something"
	return c
}

func (a asker) sign(tb testing.TB, c *jwt.AuthorizationRequestClaims) []byte {
	tb.Helper()
	signed, err := c.Encode(a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return []byte(signed)
}

func (a asker) seal(tb testing.TB, data []byte, to Keys) []byte {
	tb.Helper()
	pub, err := to.curve.PublicKey()
	if err != nil {
		tb.Fatal(err)
	}
	sealed, err := a.curve.Seal(data, pub)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

func newKeys(tb testing.TB, encrypted bool) Keys {
	tb.Helper()
	signing, err := nkeys.CreateAccount()
	if err != nil {
		tb.Fatal(err)
	}
	var curve nkeys.KeyPair
	if encrypted {
		if curve, err = nkeys.CreateCurveKeys(); err != nil {
			tb.Fatal(err)
		}
	}
	keys, err := NewKeys(signing, curve)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func TestRequestsInOrder(t *testing.T) {
	now := time.Now()
	for name, encrypted := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			a, keys := newAsker(t), newKeys(t, encrypted)
			data, xkey := a.sign(t, a.claims(keys, now)), ""
			if encrypted {
				data, xkey = a.seal(t, data, keys), a.xkey
			}
			r, err := decode(data, xkey, keys, now)
			if err != nil {
				t.Fatal(err)
			}
			want := request{user: a.user, server: a.id, client: 7, xkey: xkey, kind: "Client", host: "192.0.2.7", token: "tl_something"}
			if r != want {
				t.Errorf("read %+v, want %+v", r, want)
			}
			// The server can read what is answered.
			answer, err := encode(r, "", keys)
			if err != nil {
				t.Fatal(err)
			}
			if encrypted {
				pub, err := keys.curve.PublicKey()
				if err != nil {
					t.Fatal(err)
				}
				if answer, err = a.curve.Open(answer, pub); err != nil {
					t.Fatal(err)
				}
			}
			c, err := jwt.DecodeAuthorizationResponseClaims(string(answer))
			if err != nil {
				t.Fatal(err)
			}
			var problems jwt.ValidationResults
			c.Validate(&problems)
			if !problems.IsEmpty() || c.Error != refusal || c.Subject != a.user || c.Audience != a.id || c.Issuer != keys.issuer {
				t.Errorf("answered %+v (%v)", c, problems.Issues)
			}
		})
	}
}

func TestRequestsNotInOrder(t *testing.T) {
	now := time.Now()
	a, other, plain, sealed := newAsker(t), newAsker(t), newKeys(t, false), newKeys(t, true)
	changed := func(keys Keys, change func(*jwt.AuthorizationRequestClaims)) []byte {
		c := a.claims(keys, now)
		change(c)
		return a.sign(t, c)
	}
	good, alsoGood := changed(plain, func(*jwt.AuthorizationRequestClaims) {}), changed(sealed, func(*jwt.AuthorizationRequestClaims) {})
	resigned := func() []byte { // by a key that is not the server's it names
		signed, err := a.claims(plain, now).Encode(other.key)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(signed)
	}
	account := func() []byte { // what an account signs is something else
		c := jwt.NewAuthorizationResponseClaims(a.user)
		c.Audience, c.Error = a.id, "no"
		signed, err := c.Encode(plain.signing)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(signed)
	}
	unsigned := func() []byte {
		parts := strings.Split(string(good), ".")
		parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`))
		return []byte(parts[0] + "." + parts[1] + ".")
	}
	for name, test := range map[string]struct {
		data []byte
		xkey string
		keys Keys
	}{
		"nothing":                      {nil, "", plain},
		"a word":                       {[]byte("eyJ"), "", plain},
		"a cut one":                    {good[:len(good)-10], "", plain},
		"a changed one":                {append(append([]byte{}, good[:len(good)/2]...), append([]byte("x"), good[len(good)/2:]...)...), "", plain},
		"an unsigned one":              {unsigned(), "", plain},
		"signed by another server":     {resigned(), "", plain},
		"an answer":                    {account(), "", plain},
		"for another issuer":           {changed(sealed, func(*jwt.AuthorizationRequestClaims) {}), "", plain},
		"for another audience":         {changed(plain, func(c *jwt.AuthorizationRequestClaims) { c.Audience = "nats" }), "", plain},
		"for nobody":                   {changed(plain, func(c *jwt.AuthorizationRequestClaims) { c.UserNkey = "" }), "", plain},
		"for a server as its user":     {changed(plain, func(c *jwt.AuthorizationRequestClaims) { c.UserNkey = a.id }), "", plain},
		"by a server without an id":    {changed(plain, func(c *jwt.AuthorizationRequestClaims) { c.Server.ID = "" }), "", plain},
		"an old one":                   {changed(plain, func(c *jwt.AuthorizationRequestClaims) { c.Expires = now.Add(-2 * skew).Unix() }), "", plain},
		"too large":                    {changed(plain, func(c *jwt.AuthorizationRequestClaims) { c.ConnectOptions.Name = strings.Repeat("x", mostRequest) }), "", plain},
		"plain where it is encrypted":  {alsoGood, "", sealed},
		"plain, with a key":            {alsoGood, a.xkey, sealed},
		"encrypted where it is plain":  {a.seal(t, alsoGood, sealed), a.xkey, plain},
		"encrypted by another":         {a.seal(t, alsoGood, sealed), other.xkey, sealed},
		"encrypted to another":         {a.seal(t, alsoGood, newKeys(t, true)), a.xkey, sealed},
		"another's, encrypted anew":    {other.seal(t, alsoGood, sealed), other.xkey, sealed},
		"encrypted by what is no key":  {a.seal(t, alsoGood, sealed), "X", sealed},
		"encrypted, and no ciphertext": {[]byte("xkv1"), a.xkey, sealed},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := decode(test.data, test.xkey, test.keys, now)
			if err == nil {
				t.Fatalf("taken as %+v", r)
			}
			if strings.Contains(err.Error(), "tl_something") {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
}

func TestWhatAClientShows(t *testing.T) {
	for name, test := range map[string]struct {
		in          request
		token, user string
		fails       bool
	}{
		"a token":              {in: request{kind: "Client", token: "T"}, token: "T"},
		"a token and a user":   {in: request{kind: "Client", token: "T", username: "U", password: "P"}, token: "T"},
		"a user":               {in: request{kind: "Client", username: "U", password: "P"}, token: "P", user: "U"},
		"a user, no password":  {in: request{kind: "Client", username: "U"}, fails: true},
		"a password, no user":  {in: request{kind: "Client", password: "P"}, fails: true},
		"nothing":              {in: request{kind: "Client"}, fails: true},
		"a token of a leaf":    {in: request{kind: "Leafnode", token: "T"}, fails: true},
		"a token of who knows": {in: request{token: "T"}, fails: true},
	} {
		token, user, err := test.in.shown()
		if token != test.token || user != test.user || (err != nil) != test.fails {
			t.Errorf("%s: %q, %q, %v", name, token, user, err)
		}
	}
}

// FuzzDecode: whatever arrives, it does not end the process, and what is taken was signed
// by the server that it names, for this node.
func FuzzDecode(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	a, plain, sealed := newAsker(f), newKeys(f, false), newKeys(f, true)
	good := a.sign(f, a.claims(plain, now))
	f.Add(good, "")
	f.Add(a.sign(f, a.claims(sealed, now)), a.xkey)
	f.Add(a.seal(f, a.sign(f, a.claims(sealed, now)), sealed), a.xkey)
	f.Add([]byte("eyJ.eyJ.x"), "")
	f.Add([]byte("xkv1"), a.xkey)
	// The parts of a JWT are looked into before its signature is.
	for _, payload := range []string{`{}`, `[]`, `null`, `{"nats":null}`, `{"nats":{"version":2,"type":"authorization_request"}}`, `{"iss":1,"nats":{"type":9}}`, `{"nats":{"type":"authorization_request","server_id":[]}}`} {
		for _, header := range []string{`{"typ":"JWT","alg":"ed25519-nkey"}`, `{"typ":"jwt","alg":"ed25519"}`, `null`} {
			f.Add([]byte(base64.RawURLEncoding.EncodeToString([]byte(header))+"."+base64.RawURLEncoding.EncodeToString([]byte(payload))+".AAAA"), "")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, xkey string) {
		for _, keys := range []Keys{plain, sealed} {
			r, err := decode(data, xkey, keys, now)
			if err != nil {
				continue
			}
			if !nkeys.IsValidPublicServerKey(r.server) || !nkeys.IsValidPublicUserKey(r.user) || (r.xkey != "") != (keys.curve != nil) {
				t.Errorf("taken as %+v", r)
			}
			if answer, err := encode(r, "", keys); err != nil || len(answer) == 0 {
				t.Errorf("what was taken cannot be answered: %v", err)
			}
			_, _, _ = r.shown()
		}
	})
}
