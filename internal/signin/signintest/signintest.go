// Package signintest is an OpenID Connect issuer for tests: a real one (zitadel/oidc) on
// a loopback port, with people in groups, and a browser that signs in there. What a
// correct issuer does not do, a test has it do with [Issuer.Answer].
package signintest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// ClientID and ClientSecret are what the ledger is known by; Native is a public client.
const (
	ClientID     = "tokenledger"
	ClientSecret = "the client's secret: 7/+&="
	Native       = "tokenledger-native"
)

// Password is everybody's.
const Password = "opensesame"

// Issuer is a running issuer.
type Issuer struct {
	URL    string
	server *httptest.Server
	store  *store

	mu     sync.Mutex
	answer func(map[string]any)
	down   bool
	front  func(http.ResponseWriter, *http.Request) bool
}

// Start runs an issuer until the test ends. people are its users, and the groups of each.
func Start(t testing.TB, people map[string]any) *Issuer {
	t.Helper()
	i := &Issuer{}
	i.server = httptest.NewUnstartedServer(nil)
	i.URL = "http://" + i.server.Listener.Addr().String()
	users := users{}
	for name := range people {
		users[name] = &storage.User{ID: name, Username: name, Password: Password, FirstName: name, LastName: "Example", Email: name + "@acme.example", EmailVerified: true}
	}
	i.store = &store{
		Storage: storage.NewStorageWithClients(users, map[string]*storage.Client{
			ClientID: storage.WebClient(ClientID, ClientSecret), Native: storage.NativeClient(Native),
		}),
		groups: maps.Clone(people), claim: "groups",
	}
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CryptoKeyId: "key1", CodeMethodS256: true, AuthMethodPost: true},
		i.store, op.StaticIssuer(i.URL), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<form method="post"><input name="id" value="%s"><input name="username"><input name="password"></form>`, html.EscapeString(r.FormValue("authRequestID")))
	})
	mux.HandleFunc("POST /login/username", func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("id")
		if err := i.store.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, op.AuthCallbackURL(provider)(op.ContextWithIssuer(r.Context(), i.URL), id), http.StatusFound)
	})
	i.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.serve(mux, w, r) })
	i.server.Start()
	t.Cleanup(i.server.Close)
	return i
}

func (i *Issuer) serve(mux http.Handler, w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	answer, down, front := i.answer, i.down, i.front
	i.mu.Unlock()
	switch {
	case down:
		http.Error(w, "closed for repairs", http.StatusBadGateway)
	case front != nil && front(w, r):
	case answer != nil && strings.HasSuffix(r.URL.Path, "/token"):
		kept := httptest.NewRecorder()
		mux.ServeHTTP(kept, r)
		var body map[string]any
		if kept.Code == http.StatusOK && json.Unmarshal(kept.Body.Bytes(), &body) == nil {
			answer(body)
			kept.Body.Reset()
			_ = json.NewEncoder(kept.Body).Encode(body)
		}
		w.Header().Set("Content-Type", kept.Header().Get("Content-Type"))
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	default:
		mux.ServeHTTP(w, r)
	}
}

// Redirects names the URIs that people may be sent back to.
func (i *Issuer) Redirects(uris ...string) {
	i.store.mu.Lock()
	defer i.store.mu.Unlock()
	i.store.redirects = uris
}

// Group sets what the groups claim of a person is; nil leaves it out.
func (i *Issuer) Group(person string, claim any) {
	i.store.mu.Lock()
	defer i.store.mu.Unlock()
	i.store.groups[person] = claim
}

// InIDToken has the groups stand in the id token, and not in the userinfo alone.
func (i *Issuer) InIDToken(yes bool) {
	i.store.mu.Lock()
	defer i.store.mu.Unlock()
	i.store.inIDToken = yes
}

// Down has the issuer answer nobody.
func (i *Issuer) Down(yes bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = yes
}

// Answer changes what the token endpoint answers with; nil leaves it as it is.
func (i *Issuer) Answer(change func(map[string]any)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = change
}

// Front sees requests before the issuer does, and answers those for which it is true.
func (i *Issuer) Front(f func(http.ResponseWriter, *http.Request) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.front = f
}

// Claims changes the claims of id tokens, which are signed anew by the issuer's own key.
func (i *Issuer) Claims(t testing.TB, change func(map[string]any)) {
	i.Answer(func(answer map[string]any) {
		claims := Payload(t, answer["id_token"].(string))
		change(claims)
		answer["id_token"] = i.Sign(t, claims)
	})
}

// Payload reads the claims of a JWT without looking at its signature.
func Payload(t testing.TB, jwt string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&claims)
	}
	if err != nil {
		t.Error(err)
	}
	return claims
}

// Sign makes a JWT that the issuer itself has signed.
func (i *Issuer) Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	key, err := i.store.SigningKey(context.Background())
	if err != nil {
		t.Error(err)
		return ""
	}
	return SignWith(t, jose.SigningKey{Algorithm: key.SignatureAlgorithm(), Key: jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()}}, claims)
}

// PublicKey is the key that the issuer publishes, in the form in which confused verifiers
// take it for a shared secret.
func (i *Issuer) PublicKey(t testing.TB) []byte {
	t.Helper()
	keys, err := i.store.KeySet(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(jose.JSONWebKey{Key: keys[0].Key(), KeyID: keys[0].ID()})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// SignWith makes a JWT with another key.
func SignWith(t testing.TB, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Error(err)
		return ""
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Error(err)
		return ""
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Error(err)
	}
	return text
}

type users map[string]*storage.User

func (u users) GetUserByID(id string) *storage.User         { return u[id] }
func (u users) GetUserByUsername(name string) *storage.User { return u[name] }
func (u users) ExampleClientID() string                     { return "service" }

// store is the issuer's state, with groups.
type store struct {
	*storage.Storage
	mu        sync.Mutex
	groups    map[string]any
	claim     string
	inIDToken bool
	redirects []string
}

// client is a client whose redirect URIs can be named late.
type client struct {
	op.Client
	uris []string
}

func (c *client) RedirectURIs() []string { return c.uris }

// DevMode lets native clients be sent back over plain http.
func (c *client) DevMode() bool { return true }

// GetClientByClientID implements op.Storage.
func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &client{c, slices.Clone(s.redirects)}, nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: the id token.
func (s *store) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, token op.IDTokenRequest, scopes []string) error {
	if err := s.Storage.SetUserinfoFromRequest(ctx, info, token, scopes); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if groups := s.groups[token.GetSubject()]; s.inIDToken && groups != nil {
		info.AppendClaims(s.claim, groups)
	}
	return nil
}

// SetUserinfoFromToken implements op.Storage: the userinfo endpoint.
func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if groups := s.groups[subject]; !s.inIDToken && groups != nil {
		info.AppendClaims(s.claim, groups)
	}
	return nil
}

// Page is an answer that a browser shows.
type Page struct {
	Status int
	Header http.Header
	URL    *url.URL
	Body   string
}

// Browser is a browser: it keeps cookies and follows redirects.
type Browser struct {
	t testing.TB
	*http.Client
	// Stop, if set, ends a chain of redirects at the first URL that it is true for.
	Stop func(*url.URL) bool
}

// NewBrowser gives a browser without cookies.
func NewBrowser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &Browser{t: t, Client: &http.Client{Jar: jar}}
	b.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 20 || b.Stop != nil && b.Stop(r.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

// Get opens a URL.
func (b *Browser) Get(to string) Page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Send(r)
}

// Post sends a form.
func (b *Browser) Post(to string, form url.Values, headers ...string) Page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.Send(r)
}

// Send sends a request as a browser does.
func (b *Browser) Send(r *http.Request) Page {
	b.t.Helper()
	r.Header.Set("Accept", cmp.Or(r.Header.Get("Accept"), "text/html,application/xhtml+xml,*/*;q=0.8"))
	res, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return Page{res.StatusCode, res.Header, res.Request.URL, string(body)}
}

// SignIn opens the ledger's login URL, signs in at the issuer as the person, and gives
// the page that this ends with.
func (b *Browser) SignIn(login, person string) Page {
	b.t.Helper()
	page := b.Get(login)
	id := page.URL.Query().Get("authRequestID")
	if id == "" {
		return page // it did not come to the issuer
	}
	return b.Post(page.URL.String(), url.Values{"id": {id}, "username": {person}, "password": {Password}})
}
