package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/events"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var verifier = strings.Repeat("v", 43)

func TestOnlyTheLoopbackGetsCodes(t *testing.T) {
	for s, good := range map[string]bool{
		"http://127.0.0.1:49152/": true, "http://127.0.0.1:1": true, "http://[::1]:49152/callback": true, "http://127.0.0.1:65535/a/b-c": true,
		"https://127.0.0.1:49152/": false, "http://127.0.0.1/": false, "http://127.0.0.1:0/": false, "http://127.0.0.1:99999/": false,
		"http://localhost:49152/": false, "http://127.0.0.2:1/": false, "http://evil.example:1/": false, "http://127.0.0.1.evil.example:1/": false,
		"http://127.0.0.1:1@evil.example/": false, "http://evil.example:1/#http://127.0.0.1:1/": false, "http://127.0.0.1:1\\@evil.example/": false,
		"http://127.0.0.1:1/?next=http://evil.example": false, "http://127.0.0.1:1/#": false, "http://127.0.0.1:1/?": false, "//127.0.0.1:1/": false,
		"http://127.0.0.1:01/": false, "http://127.1:1/": false, "http://2130706433:1/": false, "http://[::ffff:127.0.0.1]:1/": false, "http://[::1%25lo]:1/": false,
		"HTTP://127.0.0.1:1/": false, "http://127.0.0.1:1/%2e": false, "http://127.0.0.1:1/a b": false, "javascript:alert(1)": false, "": false, "http://127.0.0.1:1/\r\nX: y": false,
		"http://127.0.0.1:1/" + strings.Repeat("a", 200): false,
	} {
		p := &Program{RedirectURI: s, State: "s", Challenge: challengeOf(verifier)}
		if err := p.check(); (err == nil) != good {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, p := range []Program{
		{"http://127.0.0.1:1/", "", challengeOf(verifier)}, {"http://127.0.0.1:1/", "a&b", challengeOf(verifier)}, {"http://127.0.0.1:1/", strings.Repeat("s", 129), challengeOf(verifier)},
		{"http://127.0.0.1:1/", "s", ""}, {"http://127.0.0.1:1/", "s", verifier + "x"}, {"http://127.0.0.1:1/", "s", strings.Repeat("=", 43)},
	} {
		if p.check() == nil {
			t.Errorf("%+v was taken", p)
		}
	}
}

func FuzzOnLoopback(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:1/", "http://[::1]:2", "http://evil.example:1/", "http://127.0.0.1:1@evil.example/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !onLoopback(s) {
			return
		}
		u, err := url.Parse(s + "?code=x")
		if err != nil || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" || u.Scheme != "http" || u.User != nil || u.Fragment != "" || u.RawQuery != "code=x" {
			t.Fatalf("%q leads to %v, %v", s, u, err)
		}
	})
}

func testParty(t testing.TB, now func() time.Time) *Party {
	t.Helper()
	p, err := New(Config{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestACodeIsGoodOnce(t *testing.T) {
	at := time.Now()
	p := testParty(t, func() time.Time { return at })
	who := Identity{Person: events.Person{Issuer: "https://id.example", Subject: "anil"}, Groups: []string{"ops"}}
	deliver := func() string {
		uri, err := p.Deliver(Program{"http://127.0.0.1:1/cb", "st", challengeOf(verifier)}, who, "acme")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(uri)
		if err != nil || u.Host != "127.0.0.1:1" || u.Path != "/cb" || u.Query().Get("state") != "st" {
			t.Fatalf("%s, %v", uri, err)
		}
		return u.Query().Get("code")
	}
	code := deliver()
	got, tenant, err := p.Redeem(code, verifier)
	if err != nil || got.Person != who.Person || tenant != "acme" || !slices.Equal(got.Groups, who.Groups) {
		t.Fatalf("%+v %s %v", got, tenant, err)
	}
	if _, _, err := p.Redeem(code, verifier); err == nil {
		t.Error("a code was good twice")
	}
	code = deliver()
	for _, wrong := range []string{strings.Repeat("w", 43), "", challengeOf(verifier), strings.Repeat("v", 44)} {
		if _, _, err := p.Redeem(code, wrong); err == nil {
			t.Errorf("the verifier %q was taken", wrong)
		}
	}
	if _, _, err := p.Redeem(code, verifier); err == nil {
		t.Error("a code that was shown with a wrong verifier is still good")
	}
	code = deliver()
	at = at.Add(codeLife)
	if _, _, err := p.Redeem(code, verifier); err == nil {
		t.Error("a code is good after its minute")
	}
	for range maxCodes {
		code = deliver()
	}
	if _, err := p.Deliver(Program{"http://127.0.0.1:1/", "s", challengeOf(verifier)}, who, ""); err == nil {
		t.Error("there is no bound")
	}
	if _, _, err := p.Redeem(code, verifier); err != nil {
		t.Errorf("the last of them: %v", err)
	}
	at = at.Add(codeLife)
	deliver()
	if n := len(p.codes.all); n != 1 {
		t.Errorf("%d codes are kept", n)
	}
}

func TestManyRedeemOneCode(t *testing.T) {
	p := testParty(t, nil)
	for range 50 {
		uri, err := p.Deliver(Program{"http://127.0.0.1:1/", "s", challengeOf(verifier)}, Identity{}, "")
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(uri)
		var good atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, _, err := p.Redeem(u.Query().Get("code"), verifier); err == nil {
					good.Add(1)
				}
			})
		}
		wg.Wait()
		if good.Load() != 1 {
			t.Fatalf("redeemed %d times", good.Load())
		}
	}
}

// Nothing but what was sealed here can be opened, and it comes back as it went.
func FuzzSeal(f *testing.F) {
	s, err := newSealer()
	if err != nil {
		f.Fatal(err)
	}
	want := attempt{State: "s", Nonce: "n", Verifier: "v", Want: Want{Tenant: "acme"}}
	sealed, err := s.close(want)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("short")))
	f.Add(strings.Repeat("A", maxSealed+1))
	f.Fuzz(func(t *testing.T, text string) {
		var got attempt
		if err := s.open(text, &got); err == nil && (text != sealed || got != want) {
			t.Fatalf("%q was opened: %+v", text, got)
		}
	})
}

func TestEverySealedBitCounts(t *testing.T) {
	s, err := newSealer()
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.close(attempt{State: "s"})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range 8 * len(raw) {
		bad := slices.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		if s.open(base64.RawURLEncoding.EncodeToString(bad), new(attempt)) == nil {
			t.Fatalf("bit %d does not count", i)
		}
	}
}

func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{"groups":["a","b"],"email":"x"}`, `{"groups":"a"}`, `{"groups":null}`, `{"groups":{}}`, `{"groups":[1]}`, `{"groups":[null]}`, `{"email_verified":false,"email":"x"}`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c claims
		if json.Unmarshal(raw, &c) != nil {
			return
		}
		groups, err := c.groups("groups")
		if err != nil {
			if groups != nil {
				t.Fatalf("%q with %v", groups, err)
			}
			return
		}
		// As another reader of the same JSON has them.
		var loose struct{ Groups any }
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		loose.Groups = all["groups"]
		var want []string
		switch v := loose.Groups.(type) {
		case string:
			want = []string{v}
		case []any:
			for _, one := range v {
				want = append(want, fmt.Sprint(one))
			}
		}
		if !slices.Equal(groups, want) {
			t.Fatalf("%s: %q, want %q", raw, groups, want)
		}
		c.name("email")
	})
}
