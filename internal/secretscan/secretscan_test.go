package secretscan

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// setOf gives a key set as GitHub publishes it, of identifiers and keys in turn.
func setOf(t testing.TB, pairs ...any) []byte {
	t.Helper()
	type key struct {
		Identifier string `json:"key_identifier"`
		Key        string `json:"key"`
		Current    bool   `json:"is_current"`
	}
	var keys []key
	for i := 0; i < len(pairs); i += 2 {
		text, ok := pairs[i+1].(string)
		if !ok {
			text = pemOf(t, pairs[i+1])
		}
		keys = append(keys, key{pairs[i].(string), text, i == 0})
	}
	raw, err := json.Marshal(map[string]any{"public_keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sign(t testing.TB, key *ecdsa.PrivateKey, body string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	raw, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func headers(id, signature string) http.Header {
	h := http.Header{}
	h.Set(headerKey, id)
	h.Set(headerSignature, signature)
	return h
}

// codeOf gives an error's code, "" for none.
func codeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*commands.Error](err)
	if !ok {
		t.Fatalf("an error of another kind: %v", err)
	}
	if e.Detail == "" || e.Hint == "" {
		t.Errorf("%s says too little", e.Code)
	}
	return e.Code
}

// unread fails the test if a body is read that should not be.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

const message = `[{"token":"tl_x","type":"tokenledger","url":"https://github.com/a/b/blob/1/c#L1","source":"commit","new":{"field":1}},{"token":"other","type":"t","url":""}]`

func fileReceiver(t testing.TB, set []byte) (*Receiver, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(Config{Keys: file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r, file
}

func TestReceive(t *testing.T) {
	current, earlier, stranger := newKey(t, elliptic.P256()), newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	r, _ := fileReceiver(t, setOf(t, "now", &current.PublicKey, "before", &earlier.PublicKey))
	good := sign(t, current, message)
	raw, _ := base64.StdEncoding.DecodeString(good)
	raw[len(raw)-1] ^= 1
	flipped := base64.StdEncoding.EncodeToString(raw)
	twice := headers("now", good)
	twice.Add(headerKey, "now")
	twiceSigned := headers("now", good)
	twiceSigned.Add(headerSignature, good)
	large := "[" + strings.Repeat(" ", MaxMessage) + "]"
	many := "[" + strings.Repeat(`{"token":"x"},`, commands.MaxLeaks) + `{"token":"x"}]`
	body := strings.NewReader
	for _, tc := range []struct {
		name   string
		header http.Header
		body   io.Reader
		code   string
	}{
		{"good", headers("now", good), body(message), ""},
		{"by the key before", headers("before", sign(t, earlier, message)), body(message), ""},
		{"no headers", http.Header{}, unread{t}, "leaks_github_signature_missing"},
		{"no identifier", http.Header{headerSignature: {good}}, unread{t}, "leaks_github_signature_missing"},
		{"no signature", http.Header{headerKey: {"now"}}, unread{t}, "leaks_github_signature_missing"},
		{"two identifiers", twice, unread{t}, "leaks_github_signature_missing"},
		{"two signatures", twiceSigned, unread{t}, "leaks_github_signature_missing"},
		{"an unknown key", headers("nobody's", good), unread{t}, "leaks_github_key_unknown"},
		{"a long identifier", headers(strings.Repeat("x", 300), good), unread{t}, "leaks_github_signature_wrong"},
		{"a long signature", headers("now", strings.Repeat("A", 300)), unread{t}, "leaks_github_signature_wrong"},
		{"the other key's name", headers("before", good), body(message), "leaks_github_signature_wrong"},
		{"a stranger's signature", headers("now", sign(t, stranger, message)), body(message), "leaks_github_signature_wrong"},
		{"a flipped bit", headers("now", flipped), body(message), "leaks_github_signature_wrong"},
		{"no base64", headers("now", "%%%"), body(message), "leaks_github_signature_wrong"},
		{"base64 of nothing", headers("now", "AAAA"), body(message), "leaks_github_signature_wrong"},
		{"another body", headers("now", good), body(message + " "), "leaks_github_signature_wrong"},
		{"no body", headers("now", good), body(""), "leaks_github_signature_wrong"},
		{"too large, however signed", headers("now", sign(t, current, large)), body(large), "leaks_github_too_large"},
		{"signed, too many", headers("now", sign(t, current, many)), body(many), "leaks_github_too_large"},
		{"signed, no JSON", headers("now", sign(t, current, "nonsense")), body("nonsense"), "leaks_github_body_invalid"},
		{"signed, an object", headers("now", sign(t, current, "{}")), body("{}"), "leaks_github_body_invalid"},
		{"signed, a number for a token", headers("now", sign(t, current, `[{"token":1}]`)), body(`[{"token":1}]`), "leaks_github_body_invalid"},
		{"signed, a field twice", headers("now", sign(t, current, `[{"token":"a","token":"b"}]`)), body(`[{"token":"a","token":"b"}]`), "leaks_github_body_invalid"},
		{"signed, empty", headers("now", sign(t, current, "[]")), body("[]"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			matches, by, err := r.Receive(t.Context(), tc.header, tc.body)
			if got := codeOf(t, err); got != tc.code {
				t.Fatalf("code %q (%v), want %q", got, err, tc.code)
			}
			if err != nil {
				if len(matches) > 0 {
					t.Error("an error and matches")
				}
				return
			}
			if by != tc.header.Get(headerKey) {
				t.Errorf("signed by %q", by)
			}
			if tc.name == "good" && (len(matches) != 2 || matches[0].Token.Reveal() != "tl_x" || matches[0].Source != "commit" || matches[1].Type != "t") {
				t.Errorf("matches %+v", matches)
			}
		})
	}
}

// GitHub's documentation signs this message by a key that it publishes: what is verified
// here is what GitHub sends.
func TestGitHubsOwnSample(t *testing.T) {
	const (
		body      = `[{"token":"some_token","type":"some_type","url":"some_url"}]`
		signature = "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc="
		key       = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\nkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n-----END PUBLIC KEY-----\n"
	)
	r, _ := fileReceiver(t, setOf(t, "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a", key))
	matches, _, err := r.Receive(t.Context(), headers("90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a", signature), strings.NewReader(body))
	if err != nil || len(matches) != 1 || matches[0].Token.Reveal() != "some_token" {
		t.Errorf("%+v, %v", matches, err)
	}
}

func TestKeySetsThatAreRefused(t *testing.T) {
	good := newKey(t, elliptic.P256())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	many := []any{}
	for i := range maxKeys + 1 {
		many = append(many, fmt.Sprint(i), &good.PublicKey)
	}
	for name, raw := range map[string][]byte{
		"nothing":            nil,
		"no JSON":            []byte("-----BEGIN PUBLIC KEY-----"),
		"no keys":            []byte(`{"public_keys":[]}`),
		"another document":   []byte(`{"keys":[]}`),
		"no identifier":      setOf(t, "", &good.PublicKey),
		"a long identifier":  setOf(t, strings.Repeat("x", maxIdentifier+1), &good.PublicKey),
		"one name twice":     setOf(t, "a", &good.PublicKey, "a", &good.PublicKey),
		"no PEM":             setOf(t, "a", "MFkwEwYHKoZIzj0"),
		"PEM of nothing":     setOf(t, "a", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
		"RSA":                setOf(t, "a", &rsaKey.PublicKey),
		"another curve":      setOf(t, "a", &newKey(t, elliptic.P384()).PublicKey),
		"a good and bad one": setOf(t, "a", &good.PublicKey, "b", "no key"),
		"too many":           setOf(t, many...),
		"too large":          append(setOf(t, "a", &good.PublicKey), strings.Repeat(" ", maxKeySet)...),
	} {
		file := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{Keys: file, Logger: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	for _, where := range []string{"http://api.github.com/keys", "ftp://x/y", "https://", "https://user:pass@host/keys", filepath.Join(t.TempDir(), "missing.json")} {
		if _, err := Open(Config{Keys: where, Logger: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s: was taken", where)
		} else if strings.Contains(err.Error(), "pass") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// A key file that is written anew counts from the next message on.
func TestAKeyFileIsRereadWhenItChanges(t *testing.T) {
	first, second := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	r, file := fileReceiver(t, setOf(t, "a", &first.PublicKey))
	receive := func(key *ecdsa.PrivateKey, id string) string {
		t.Helper()
		_, _, err := r.Receive(t.Context(), headers(id, sign(t, key, message)), strings.NewReader(message))
		return codeOf(t, err)
	}
	write := func(raw []byte) {
		t.Helper()
		tmp := file + ".new"
		if err := os.WriteFile(tmp, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, file); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(first, "a"); got != "" {
		t.Fatal(got)
	}
	write(setOf(t, "b", &second.PublicKey))
	if got := receive(second, "b"); got != "" {
		t.Errorf("the new key: %s", got)
	}
	if got := receive(first, "a"); got != "leaks_github_key_unknown" {
		t.Errorf("the key that was taken out: %q", got)
	}
	// What cannot be read is not passed over: the old set may hold a key that was taken out.
	write([]byte("{"))
	if got := receive(second, "b"); got != "leaks_github_keys_unavailable" {
		t.Errorf("a broken file: %q", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := receive(second, "b"); got != "leaks_github_keys_unavailable" {
		t.Errorf("no file: %q", got)
	}
	write(setOf(t, "b", &second.PublicKey))
	if got := receive(second, "b"); got != "" {
		t.Errorf("mended: %q", got)
	}
}

// clock is a time that the test sets.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d / time.Second)) }

func TestKeysFromAURL(t *testing.T) {
	first, second := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	var set atomic.Value
	var asked, notModified atomic.Int64
	set.Store(setOf(t, "a", &first.PublicKey))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		raw := set.Load().([]byte)
		if len(raw) == 0 {
			http.Error(w, "rate limited", http.StatusForbidden)
			return
		}
		etag := fmt.Sprintf("%q", sha256.Sum256(raw))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			notModified.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(raw)
	}))
	t.Cleanup(server.Close)
	hc := server.Client()
	hc.CheckRedirect = transport().CheckRedirect
	var c clock
	c.at.Store(1_000_000)
	r, err := Open(Config{Keys: server.URL + "/keys", HTTP: hc, Now: c.now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	receive := func(key *ecdsa.PrivateKey, id, wantCode string, wantAsked int64) {
		t.Helper()
		_, _, err := r.Receive(context.Background(), headers(id, sign(t, key, message)), strings.NewReader(message))
		if got := codeOf(t, err); got != wantCode || asked.Load() != wantAsked {
			t.Errorf("code %q, asked %d times; want %q, %d (%v)", got, asked.Load(), wantCode, wantAsked, err)
		}
	}
	receive(first, "a", "", 1) // the first message has the set fetched
	receive(first, "a", "", 1)
	for range 50 { // unknown identifiers do not make it ask over and over
		receive(second, "b", "leaks_github_key_unknown", 1)
	}
	c.forward(again)
	receive(second, "b", "leaks_github_key_unknown", 2)
	if notModified.Load() != 1 {
		t.Error("the second question was not by ETag")
	}
	set.Store(setOf(t, "b", &second.PublicKey))
	receive(second, "b", "leaks_github_key_unknown", 2)
	c.forward(again)
	receive(second, "b", "", 3)
	receive(first, "a", "leaks_github_key_unknown", 3)

	set.Store([]byte{}) // GitHub does not answer: what is known goes on to count, for a day
	c.forward(fresh)
	receive(second, "b", "", 4)
	receive(second, "b", "", 4)
	c.forward(again)
	receive(second, "b", "", 5)
	c.forward(stale)
	receive(second, "b", "leaks_github_keys_unavailable", 6)
	receive(second, "b", "leaks_github_keys_unavailable", 6)
	set.Store([]byte("{}")) // nor does an answer that is no key set
	c.forward(again)
	receive(second, "b", "leaks_github_keys_unavailable", 7)
	set.Store(append(setOf(t, "b", &second.PublicKey), strings.Repeat(" ", maxKeySet)...)) // nor one without an end
	c.forward(again)
	receive(second, "b", "leaks_github_keys_unavailable", 8)
	set.Store(setOf(t, "b", &second.PublicKey))
	c.forward(again)
	receive(second, "b", "", 9)
}

// A redirect could lead the question for the keys anywhere.
func TestRedirectsOfTheKeySetAreNotFollowed(t *testing.T) {
	key := newKey(t, elliptic.P256())
	var followed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		followed.Store(true)
		_, _ = w.Write(setOf(t, "a", &key.PublicKey))
	}))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(server.Close)
	hc := server.Client()
	hc.CheckRedirect = transport().CheckRedirect
	r, err := Open(Config{Keys: server.URL, HTTP: hc, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = r.Receive(t.Context(), headers("a", sign(t, key, message)), strings.NewReader(message))
	if got := codeOf(t, err); got != "leaks_github_keys_unavailable" || followed.Load() {
		t.Errorf("code %q, followed: %v", got, followed.Load())
	}
}

func TestPlacesAreBounded(t *testing.T) {
	key := newKey(t, elliptic.P256())
	r, _ := fileReceiver(t, setOf(t, "a", &key.PublicKey))
	var leave []func()
	for range atOnce {
		l, err := r.Enter()
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if _, err := r.Enter(); codeOf(t, err) != "leaks_busy" {
		t.Errorf("one more than there are places: %v", err)
	}
	leave[0]()
	if _, err := r.Enter(); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

func FuzzKeySet(f *testing.F) {
	key := newKey(f, elliptic.P256())
	f.Add(setOf(f, "a", &key.PublicKey))
	f.Add([]byte(`{"public_keys":[{"key_identifier":"a","key":"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := parseKeys(raw)
		if err != nil {
			return
		}
		if len(keys) == 0 || len(keys) > maxKeys {
			t.Errorf("%d keys", len(keys))
		}
		for id, k := range keys {
			if id == "" || k == nil || k.Curve != elliptic.P256() {
				t.Errorf("the key %q is none", id)
			}
			verify(k, raw, "AAAA")
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(message))
	f.Add([]byte(`[{"token":"a","token":"b"}]`))
	f.Add([]byte("[{}]"))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		matches, err := parseMatches(raw)
		if err != nil {
			codeOf(t, err)
			return
		}
		if len(matches) > commands.MaxLeaks {
			t.Errorf("%d matches", len(matches))
		}
	})
}
