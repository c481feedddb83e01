package extauthz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// The names that Envoy's operator writes into its configuration.
const (
	// proxyMetadata is how Envoy shows its own token (initial_metadata).
	proxyMetadata = "x-ledger-authorization"
	// What to ask for (context_extensions).
	scopeExtension, siteExtension, tenantExtension = "scope", "site", "tenant"
)

// checkMethod is the name of the call, in the record and in the figures.
const checkMethod = "grpc envoy.service.auth.v3.Authorization/Check"

// authorization implements Envoy's service.
type authorization struct {
	authv3.UnimplementedAuthorizationServer
	Config
}

// Check implements the service.
func (a *authorization) Check(ctx context.Context, in *authv3.CheckRequest) (out *authv3.CheckResponse, err error) {
	began := time.Now()
	answered := http.StatusInternalServerError
	defer func() {
		if p := recover(); p != nil {
			a.Logger.Error("a request made the node panic", "route", checkMethod, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			out, err = nil, status.Error(codes.Internal, "the node failed on this request")
		}
		a.Observe(checkMethod, answered, time.Since(began))
	}()
	p, err := a.ask(ctx, in)
	if err != nil {
		answered, err = failure(err)
		if answered >= http.StatusInternalServerError {
			a.Logger.Warn("a request could not be answered", "route", checkMethod, "error", err)
		}
		return nil, err
	}
	if p.Refused != nil {
		answered, out = denied(p.Refused, strings.Fields(in.GetAttributes().GetContextExtensions()[scopeExtension]))
		return out, nil
	}
	answered = http.StatusOK
	return passed(p.Token), nil
}

// ask settles which proxy asks, and has the ledger answer.
func (a *authorization) ask(ctx context.Context, in *authv3.CheckRequest) (ledger.Passage, error) {
	door := a.Ledger()
	if door == nil {
		return ledger.Passage{}, &commands.Error{Kind: commands.Unavailable, Code: "starting",
			Detail: "this node is starting: it has not caught up with the stream yet", Hint: "try again shortly"}
	}
	from := ""
	if p, ok := peer.FromContext(ctx); ok {
		from, _, _ = net.SplitHostPort(p.Addr.String())
	}
	var proxy auth.Session
	if !a.Open {
		var err error
		if proxy, err = a.signIn(ctx, door, from); err != nil {
			return ledger.Passage{}, err
		}
	}
	f, err := a.forwarded(from, in.GetAttributes())
	if err != nil {
		return ledger.Passage{}, errors.Join(door.Finish(ctx, proxy), err)
	}
	if a.Open {
		return door.ForwardAuthOpen(ctx, f)
	}
	p, err := door.ForwardAuth(ctx, proxy, f)
	if err != nil {
		// Nothing, unless the request went wrong before the use was on record.
		return p, errors.Join(door.Finish(ctx, proxy), err)
	}
	return p, nil
}

func (a *authorization) signIn(ctx context.Context, door *ledger.Ledger, from string) (auth.Session, error) {
	var token secret.Secret
	if all := metadata.ValueFromIncomingContext(ctx, proxyMetadata); len(all) == 1 {
		token = wire.BearerOf(all[0])
	}
	s, err := door.SignIn(ctx, token, events.Origin{IP: from}, checkMethod)
	if e, ok := errors.AsType[*commands.Error](err); ok && e.Kind == commands.Unauthenticated {
		return s, &commands.Error{Kind: commands.Unauthenticated, Code: "proxy_not_authenticated",
			Detail: "the proxy that asks has shown no good token of its own", Hint: `its operator has to have it send the metadata "` + proxyMetadata + `: Bearer tl_…", with a token that holds ` + commands.TokensValidate}
	}
	return s, err
}

// forwarded reads what Envoy tells of the request.
func (a *authorization) forwarded(from string, in *authv3.AttributeContext) (f ledger.Forwarded, err error) {
	request := in.GetRequest().GetHttp()
	h := headersOf(request)
	f = ledger.Forwarded{
		Authorization: h["authorization"], APIKey: h["x-api-key"],
		Method: request.GetMethod(), URI: request.GetPath(),
		Client: a.TrustedProxies.From(from, in.GetSource().GetAddress().GetSocketAddress().GetAddress(), h["x-forwarded-for"]),
	}
	if agent := h["user-agent"]; len(agent) == 1 {
		f.UserAgent = agent[0]
	}
	for name, value := range in.GetContextExtensions() {
		switch name {
		case scopeExtension:
			f.Scopes = strings.Fields(value)
		case siteExtension:
			f.Site = value
		case tenantExtension:
			f.Tenant = value
		default:
			// A mistyped scope must not let every token pass.
			return f, &commands.Error{Kind: commands.Invalid, Code: "parameter_unknown",
				Detail: "context_extensions has an entry that is not known here", Hint: "the entries are scope, site and tenant"}
		}
		if strings.TrimSpace(value) == "" {
			return f, &commands.Error{Kind: commands.Invalid, Code: "query_invalid",
				Detail: "context_extensions gives " + name + " no value", Hint: "give it one, or leave " + name + " out"}
		}
	}
	return f, nil
}

// wanted are the headers that are looked at.
var wanted = [...]string{"authorization", "x-api-key", "x-forwarded-for", "user-agent"}

// headersOf gives the values of the headers that are looked at. Envoy sends them in a map
// in which it has joined those that came several times by commas or, with
// encode_raw_headers, in a list.
func headersOf(request *authv3.AttributeContext_HttpRequest) map[string][]string {
	h := make(map[string][]string, len(wanted))
	for _, pair := range request.GetHeaderMap().GetHeaders() {
		name := strings.ToLower(pair.GetKey())
		for _, w := range wanted {
			if name == w {
				value := pair.GetValue()
				if raw := pair.GetRawValue(); len(raw) > 0 {
					value = strings.ToValidUTF8(string(raw), "\uFFFD")
				}
				h[w] = append(h[w], value)
			}
		}
	}
	for name, value := range request.GetHeaders() {
		name = strings.ToLower(name)
		for _, w := range wanted {
			if name == w {
				h[w] = append(h[w], value)
			}
		}
	}
	return h
}

// failure gives the gRPC error for what is no answer about a bearer, with the status that
// HTTP would have.
func failure(err error) (int, error) {
	e, ok := errors.AsType[*commands.Error](err)
	if !ok {
		return http.StatusInternalServerError, status.Error(codes.Internal, "the node failed on this request")
	}
	answered, code := wire.StatusOf(e.Kind), codes.Internal
	switch e.Kind {
	case commands.Invalid, commands.TooLarge:
		code = codes.InvalidArgument
	case commands.Unauthenticated:
		code = codes.Unauthenticated
	case commands.Forbidden:
		code = codes.PermissionDenied
	case commands.TooMany:
		code = codes.ResourceExhausted
	case commands.Unavailable:
		code = codes.Unavailable
	}
	text := e.Code + ": " + e.Detail
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return answered, status.Error(code, text)
}

// header is one that takes the place of what is there under its name.
func header(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
