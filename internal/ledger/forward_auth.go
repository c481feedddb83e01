package ledger

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Forwarded is a request that a proxy holds back until it is told whether its bearer
// may pass.
type Forwarded struct {
	// Authorization and APIKey are all values of the request's headers Authorization
	// and X-API-Key. There has to be one in all.
	Authorization, APIKey []string
	// Scopes, Site and Tenant are what the proxy asks for, as in [commands.Validate].
	Scopes       []string
	Site, Tenant string
	// Client is where the request came from; see [Proxies.Client]. The zero Addr is not
	// known: a token that is bound to networks does not pass then.
	Client netip.Addr
	// Method, URI and UserAgent are those of the request, for the record.
	Method, URI, UserAgent string
}

// Passage is the answer about a [Forwarded].
type Passage struct {
	// Token is the bearer's, if it may pass.
	Token tokens.Credential
	// Refused is nil for a bearer that may pass. Its kind is Unauthenticated or, for a
	// token that is good and lacks a scope, Forbidden. It may be shown to the bearer, and
	// says nothing about why a token is not good.
	Refused *commands.Error
}

// ForwardAuth answers a proxy, which needs tokens:validate, like [Ledger.Validate]: the
// verdict is about tokens of its tenant, or with ledger:root of the one it asks for, or
// all. The error is about the proxy; what the bearer is refused for is in the Passage.
// The verdict, and the use of the proxy's own token, are on record when it returns.
func (l *Ledger) ForwardAuth(ctx context.Context, proxy auth.Session, f Forwarded) (Passage, error) {
	tenant, err := l.authorize(ctx, proxy, commands.TokensValidate, f.Tenant)
	if err != nil {
		return Passage{}, err
	}
	if f.Tenant == "" && proxy.Holds(commands.Root) {
		tenant = ""
	}
	p, use, err := l.pass(ctx, f, tenant, proxy.Actor, proxy.Tenant)
	if err != nil {
		return p, err
	}
	uses := append(make([]commands.Use, 0, 2), proxy.TakeUse()...)
	if use.Tenant != "" {
		uses = append(uses, use)
	}
	return p, l.Uses.Record(ctx, uses...)
}

// ForwardAuthOpen is ForwardAuth for whoever asks, where the operator has opened it
// (--forward-auth-open). The record says that the node itself asked.
func (l *Ledger) ForwardAuthOpen(ctx context.Context, f Forwarded) (Passage, error) {
	if err := l.Freshness.Fresh(); err != nil {
		return Passage{}, err
	}
	asker := events.DefaultTenant
	if f.Tenant != "" {
		if !events.ValidTenant(f.Tenant) {
			return Passage{}, &commands.Error{Kind: commands.Invalid, Code: "tenant_invalid",
				Detail: "the tenant is not of the form [a-z0-9][a-z0-9-]{0,62}", Hint: "write it in lower case, with digits and hyphens"}
		}
		asker = f.Tenant
	}
	p, use, err := l.pass(ctx, f, f.Tenant, l.Auth.Node, asker)
	if err != nil {
		return p, err
	}
	if use.Tenant == "" {
		return p, nil
	}
	return p, l.Uses.Record(ctx, use)
}

// pass judges what the request bears, and gives the record of it. A request that bears
// nothing leaves none, the zero Use.
func (l *Ledger) pass(ctx context.Context, f Forwarded, tenant string, actor events.Actor, asker string) (p Passage, use commands.Use, err error) {
	token, any := presented(f.Authorization, f.APIKey)
	cmd := commands.Validate{
		Token: token, Scopes: f.Scopes, Site: f.Site, ClientIP: f.Client, UserAgent: f.UserAgent,
		Resource: resource(f.Method, f.URI), Tenant: tenant,
	}
	if !any {
		// A mistake of the proxy's is told whether or not there is a token.
		if err := cmd.Check(); err != nil {
			return p, use, err
		}
		p.Refused = &commands.Error{Kind: commands.Unauthenticated, Code: "no_token",
			Detail: "the request bears no token", Hint: `send "Authorization: Bearer tl_…" or "X-API-Key: tl_…", and not both`}
		return p, use, nil
	}
	v, err := l.judge(ctx, cmd, 0)
	if err != nil {
		return p, use, err
	}
	switch {
	case v.Active():
		p.Token = v.Token
	case v.LacksScopeAlone(cmd):
		p.Refused = &commands.Error{Kind: commands.Forbidden, Code: "insufficient_scope",
			Detail: "the token that the request bears does not permit this", Hint: "use a token that was given " + strings.Join(f.Scopes, " ")}
	default:
		p.Refused = commands.NotGood()
	}
	use = v.Use(actor, asker, cmd, l.Now())
	// Above the bound the record is shorter. The bearer is refused either way, and a proxy
	// that met an answer other than 401 would take it for a failure of the node.
	_ = l.Auth.Failures.Judge(&use, actor.TokenID, f.Client)
	return p, use, nil
}

// presented takes the one token out of the headers that may bear it. Of several none is
// taken: the empty secret, which nothing matches. Two values may have been joined by a
// comma on their way, so a value with a comma counts as several.
func presented(authorization, apiKey []string) (token secret.Secret, any bool) {
	switch len(authorization) + len(apiKey) {
	case 0:
		return token, false
	case 1:
	default:
		return token, true
	}
	var value string
	if len(apiKey) == 1 {
		value = apiKey[0]
	} else {
		var scheme string
		scheme, value, _ = strings.Cut(authorization[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return token, false
		}
	}
	value = strings.TrimSpace(value)
	if strings.Contains(value, ",") {
		return token, true
	}
	return secret.Of(value), value != ""
}

// resource is what is recorded of the request's method and address: the path alone,
// since queries hold what is nobody's business, and differ where the path does not.
func resource(method, uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	path, _, _ = strings.Cut(path, "#")
	if strings.Contains(path, "%") {
		// A token that was escaped would not be seen, and blotted out.
		if plain := unescape(path); secret.Within(plain) {
			path = plain
		}
	}
	switch {
	case path == "":
		return method
	case method == "":
		return path
	}
	return method + " " + path
}

// unescape is that of URLs, and leaves what is escaped wrong as it is.
func unescape(path string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(path, '%')
		if at < 0 || len(path) < at+3 {
			b.WriteString(path)
			return b.String()
		}
		b.WriteString(path[:at])
		if c, err := strconv.ParseUint(path[at+1:at+3], 16, 8); err == nil {
			b.WriteByte(byte(c))
			path = path[at+3:]
		} else {
			b.WriteByte('%')
			path = path[at+1:]
		}
	}
}
