package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/commands/secret"
)

// published is the regular expression that the documentation gives to secret
// scanners.
var published = regexp.MustCompile(`\btl_[0-9A-HJKMNP-TV-Z]{26}_[0-9A-Za-z]{39}\b`)

func TestMintedTokensAreOfThePublishedFormat(t *testing.T) {
	for range 1000 {
		id := ulid.Make()
		s := secret.Mint("tl", id)
		if !published.MatchString(s.Reveal()) || len(s.Reveal()) != 69 {
			t.Fatalf("minted %q", s.Reveal())
		}
		got, err := secret.Parse(s)
		if err != nil || got != id {
			t.Fatalf("Parse gave %v, %v; want %v", got, err, id)
		}
		if !s.Matches(s.Hash()) {
			t.Fatal("a token does not match its own hash")
		}
	}
}

// A check value worked out apart from this code (zlib's crc32 of the part before
// it, in base62) pins the format to its letters.
func TestAKnownTokenParses(t *testing.T) {
	const known = "tl_01ARZ3NDEKTSV4RRFFQ69G5FAV_000000000000000000000000000000001" + "1ho8jY"
	if _, err := secret.Parse(secret.Of(known)); err != nil {
		t.Fatalf("Parse(%q) = %v", known, err)
	}
}

func TestAnySingleChangeIsMalformed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := secret.Mint("tl", ulid.Make()).Reveal()
		i := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		c := rapid.Byte().Draw(t, "byte")
		if s[i] == c {
			t.Skip("no change")
		}
		changed := s[:i] + string([]byte{c}) + s[i+1:]
		if id, err := secret.Parse(secret.Of(changed)); err == nil {
			t.Fatalf("%q, changed from %q, parsed as %s", changed, s, id)
		}
	})
}

func TestMalformedStrings(t *testing.T) {
	good := secret.Mint("tl", ulid.Make()).Reveal()
	for name, s := range map[string]string{
		"empty":           "",
		"word":            "hello",
		"cut":             good[:len(good)-1],
		"longer":          good + "0",
		"space":           " " + good,
		"newline":         good + "\n",
		"upper prefix":    "TL" + good[2:],
		"no prefix":       good[2:],
		"lower-case id":   good[:3] + strings.ToLower(good[3:29]) + good[29:],
		"very long":       strings.Repeat("a", 1<<20),
		"two transposed":  good[:40] + string(good[41]) + string(good[40]) + good[42:],
		"only separators": strings.Repeat("_", 69),
	} {
		if s == good {
			continue // the transposed characters were the same
		}
		if _, err := secret.Parse(secret.Of(s)); err == nil {
			t.Errorf("%s: %q parsed", name, s)
		}
	}
}

func TestASecretShowsItselfNowhere(t *testing.T) {
	s := secret.Mint("tl", ulid.Make())
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", struct{ S secret.Secret }{s})
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"s": s}); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s)
	if strings.Contains(out.String(), s.Reveal()[30:]) {
		t.Fatalf("the secret shows:\n%s", out.String())
	}
}

func TestWithinFindsATokenInText(t *testing.T) {
	s := secret.Mint("acme2", ulid.Make()).Reveal()
	if !secret.Within("my key is " + s + ".") {
		t.Error("a token in a sentence is not found")
	}
	at := strings.IndexByte(s, '_') + 1 // of the id
	for what, part := range map[string]string{
		"short of a character": s[:len(s)-1], "without its check": s[:len(s)-6], "without its prefix": s[at:],
		"with another prefix": "TL_" + s[at:], "half": s[:at+26+1+16],
	} {
		if !secret.Within(part) || secret.Blot("<"+part+">") != "<[token]>" {
			t.Errorf("a token %s is not found: %q", what, secret.Blot("<"+part+">"))
		}
	}
	if secret.Within(s[:at+26]) || secret.Within(s[at:at+26]+"_orders_read") {
		t.Error("an id is taken for a secret")
	}
	if secret.Within("shop checkout_01 key") {
		t.Error("a plain name is taken for a token")
	}
}
