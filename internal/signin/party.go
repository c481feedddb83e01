package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tokenledger/tokenledger/commands"
)

// Config says who vouches for people, and how to ask.
type Config struct {
	// Issuer is the issuer's URL, as its discovery document has it.
	Issuer string
	// ClientID is what the issuer knows the ledger by. ClientSecret is empty for a
	// public client.
	ClientID, ClientSecret string
	// Scopes are asked for beside "openid".
	Scopes []string
	// GroupsClaim and NameClaim name the claims with a person's groups and name.
	GroupsClaim, NameClaim string
	// RedirectURL is where the issuer sends people back to.
	RedirectURL string
	// Now is the clock; nil takes the system's.
	Now func() time.Time
}

// Party is the relying party: the ledger as its issuer sees it. It is safe for
// concurrent use.
type Party struct {
	cfg    Config
	http   *http.Client
	seal   *sealer
	codes  *codes
	now    func() time.Time
	finder chan struct{} // holds one while somebody asks the issuer to describe itself
	// finishing holds one for each sign-in that waits for the issuer. Anybody can begin
	// one, and show a code that is none: it must not become a flood at the issuer.
	finishing chan struct{}

	mu       sync.Mutex
	found    *issuer
	foundAt  time.Time
	failedAt time.Time
	failure  error
}

// New makes a party. It does not call the issuer: that happens when somebody signs in.
func New(cfg Config) (*Party, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s, err := newSealer()
	if err != nil {
		return nil, err
	}
	return &Party{cfg: cfg, http: newHTTPClient(), seal: s, codes: &codes{now: cfg.Now}, now: cfg.Now, finder: make(chan struct{}, 1), finishing: make(chan struct{}, maxFinishing)}, nil
}

// Close ends the connections to the issuer that are idle.
func (p *Party) Close() { p.http.CloseIdleConnections() }

// issuer is what the issuer says of itself.
type issuer struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	client   oauth2.Config
	// namesItself says that an answer without the parameter iss is not the issuer's
	// (RFC 9207).
	namesItself bool
}

const (
	// describedFor is how long a description of the issuer is used before it is
	// fetched again. If that fails, the old one serves.
	describedFor = time.Hour
	// pauseAfterFailure keeps those who try to sign in from having this node knock at
	// an issuer that is down all the time.
	pauseAfterFailure = 2 * time.Second
	// maxFinishing bounds the sign-ins that wait for the issuer at one time.
	maxFinishing = 32
	// skew is how far the issuer's clock may be behind or ahead.
	skew = time.Minute
)

// issuer gives the issuer's description, and fetches it where it has to.
func (p *Party) issuer(ctx context.Context) (*issuer, error) {
	if found, err, known := p.described(); known {
		return found, err
	}
	select {
	case p.finder <- struct{}{}:
		defer func() { <-p.finder }()
	case <-ctx.Done():
		return nil, unavailable("it takes too long to describe itself", ctx.Err())
	}
	if found, err, known := p.described(); known { // by whoever was here before
		return found, err
	}
	found, err := p.discover(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.found, p.foundAt, p.failure = found, p.now(), nil
	case ctx.Err() != nil:
		return nil, err // the caller went away: that says nothing of the issuer
	case p.found != nil:
		p.foundAt = p.now().Add(pauseAfterFailure - describedFor)
	default:
		p.failedAt, p.failure = p.now(), err
		return nil, err
	}
	return p.found, nil
}

// described gives what was fetched lately, or how that failed a moment ago.
func (p *Party) described() (_ *issuer, err error, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := p.now(); {
	case p.found != nil && now.Sub(p.foundAt) < describedFor:
		return p.found, nil, true
	case p.found == nil && p.failure != nil && now.Sub(p.failedAt) < pauseAfterFailure:
		return nil, p.failure, true
	}
	return nil, nil, false
}

// algorithms are the signatures that are taken. None is symmetric: a key that verifies
// must not be one that signs.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// discover asks the issuer to describe itself (OpenID Connect Discovery 1.0).
func (p *Party) discover(ctx context.Context) (*issuer, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.http), p.cfg.Issuer)
	if wrong, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
		return nil, unavailable("its description is of another issuer than --oidc-issuer", wrong)
	}
	if err != nil {
		return nil, unavailable("it does not describe itself", err)
	}
	var says struct {
		Keys        string   `json:"jwks_uri"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&says); err != nil {
		return nil, unavailable("its description cannot be read", err)
	}
	endpoint := provider.Endpoint()
	for name, at := range map[string]string{"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL, "jwks_uri": says.Keys} {
		if err := CheckURL(at); err != nil {
			return nil, unavailable("its description gives no "+name+" that can be used", err)
		}
	}
	if at := provider.UserInfoEndpoint(); at != "" {
		if err := CheckURL(at); err != nil {
			return nil, unavailable("its description gives no userinfo_endpoint that can be used", err)
		}
	}
	// Named, never found out by trying: a code is good once.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.cfg.ClientSecret == "" || len(says.AuthMethods) > 0 && !slices.Contains(says.AuthMethods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &issuer{
		provider: provider,
		verifier: provider.Verifier(&oidc.Config{ClientID: p.cfg.ClientID, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return p.now().Add(-skew) }}),
		client: oauth2.Config{
			ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, Endpoint: endpoint, RedirectURL: p.cfg.RedirectURL,
			Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
		},
		namesItself: says.NamesItself,
	}, nil
}

// Want is what somebody wants of a sign-in.
type Want struct {
	// Tenant is the one to work on; empty is the only one there is.
	Tenant string `json:",omitempty"`
	// Program, if set, is the program on the person's machine that waits for it.
	Program *Program `json:",omitempty"`
}

// attempt is what a browser keeps, sealed, of a sign-in that was begun.
type attempt struct {
	State, Nonce, Verifier string
	Until                  time.Time
	Want
}

// attemptLife is how long a person may take at the issuer.
const attemptLife = 10 * time.Minute

// AttemptLife is how long a sign-in that was begun can be finished.
func AttemptLife() time.Duration { return attemptLife }

// Begin gives the URL to send the person to, and what the browser has to show when it
// comes back: only the browser that began can finish.
func (p *Party) Begin(ctx context.Context, want Want) (url, sealed string, err error) {
	if err := want.Program.check(); err != nil {
		return "", "", err
	}
	is, err := p.issuer(ctx)
	if err != nil {
		return "", "", err
	}
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Until: p.now().Add(attemptLife), Want: want}
	sealed, err = p.seal.close(a)
	return is.client.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), sealed, err
}

func unavailable(what string, cause error) error {
	return &commands.Error{Kind: commands.Unavailable, Code: "issuer_unavailable",
		Detail: "the issuer that vouches for people cannot be used now: " + what, Hint: "try again shortly; if it lasts, the operator finds the cause in the node's log. Tokens are not affected", Cause: brief(cause)}
}
