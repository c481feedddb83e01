package interop_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"gopkg.in/yaml.v3"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/server"
)

// TestTheConfigurationOfEnvoyIsOne reads the configuration of docs/ as Envoy's own types.
// No Envoy runs in these tests.
func TestTheConfigurationOfEnvoyIsOne(t *testing.T) {
	t.Parallel()
	var plain any
	if err := yaml.Unmarshal([]byte(readRepo(t, "docs/forward-auth/envoy.yaml")), &plain); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	var b bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(asJSON, &b); err != nil {
		t.Fatal(err)
	}
	if err := b.ValidateAll(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"failure_mode_allow":false`, `"encode_raw_headers":true`, `"x-ledger-authorization"`, `"scope":"orders:read"`} {
		if !strings.Contains(string(asJSON), want) {
			t.Errorf("envoy.yaml lacks %s", want)
		}
	}
}

// TestTheConfigurationOfTraefikIsYAML holds it against what the ledger looks at. No
// Traefik runs in these tests.
func TestTheConfigurationOfTraefikIsYAML(t *testing.T) {
	t.Parallel()
	var cfg struct {
		HTTP struct {
			Routers     map[string]struct{ Middlewares []string }
			Middlewares map[string]struct {
				ForwardAuth struct {
					Address             string
					AuthRequestHeaders  []string `yaml:"authRequestHeaders"`
					AuthResponseHeaders []string `yaml:"authResponseHeaders"`
				} `yaml:"forwardAuth"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readRepo(t, "docs/forward-auth/traefik.yaml")), &cfg); err != nil {
		t.Fatal(err)
	}
	f := cfg.HTTP.Middlewares["ledger"].ForwardAuth
	if !strings.Contains(f.Address, "/v1/authorize?scope=") || strings.Join(f.AuthResponseHeaders, " ") != "X-Token-Id X-Token-Tenant X-Token-Name X-Token-Scopes" ||
		!strings.Contains(strings.Join(f.AuthRequestHeaders, " "), "X-Ledger-Authorization") {
		t.Errorf("%+v", f)
	}
	for _, name := range cfg.HTTP.Routers["api"].Middlewares {
		if _, ok := cfg.HTTP.Middlewares[name]; !ok {
			t.Errorf("the router names %s, which is not there", name)
		}
	}
}

// envoy asks as Envoy does.
type envoy struct {
	t    *testing.T
	conn *grpc.ClientConn
}

func dialEnvoy(t *testing.T, n *node) envoy {
	t.Helper()
	conn, err := grpc.NewClient(n.ExtAuthzAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return envoy{t, conn}
}

// question is a request to ask about.
type question struct {
	metadata   []string // pairs
	extensions map[string]string
	headers    map[string]string
	raw        [][2]string
	source     string
}

func (e envoy) ask(q question) (*authv3.CheckResponse, error) {
	e.t.Helper()
	in := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: q.extensions,
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: q.source},
		}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/api/orders?q=1", Headers: q.headers}},
	}}
	for _, pair := range q.raw {
		h := in.Attributes.Request.Http
		if h.HeaderMap == nil {
			h.HeaderMap = &corev3.HeaderMap{}
		}
		h.HeaderMap.Headers = append(h.HeaderMap.Headers, &corev3.HeaderValue{Key: pair[0], RawValue: []byte(pair[1])})
	}
	ctx := metadata.NewOutgoingContext(e.t.Context(), metadata.Pairs(q.metadata...))
	return authv3.NewAuthorizationClient(e.conn).Check(ctx, in)
}

// TestExtAuthz asks over real gRPC.
func TestExtAuthz(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(cfg *server.Config) {
		cfg.ExtAuthzListen, cfg.TrustedProxies = "127.0.0.1:0", []string{"127.0.0.1", "10.0.0.0/8"}
	})
	e := dialEnvoy(t, n)
	_, proxy := n.generate(api.GenerateRequest{Name: "proxy", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	_, noProxy := n.generate(api.GenerateRequest{Name: "no proxy", TTL: "1d"})
	_, theirs := n.generate(api.GenerateRequest{Name: "their proxy", Tenant: "acme", TTL: "1d", Scopes: []string{"ledger:tokens:validate"}})
	good, goodSecret := n.generate(api.GenerateRequest{Name: "good", TTL: "1d", Scopes: []string{"orders:read"}})
	bare, bareSecret := n.generate(api.GenerateRequest{Name: "bare", TTL: "1d"})
	_, bound := n.generate(api.GenerateRequest{Name: "bound", TTL: "1d", AllowedCIDRs: []string{"192.0.2.0/24"}})
	own := []string{"x-ledger-authorization", "Bearer " + proxy}
	bearer := func(token string) map[string]string { return map[string]string{"authorization": "Bearer " + token} }
	orders := map[string]string{"scope": "orders:read"}

	for _, tc := range []struct {
		what string
		q    question
		// want is 200, 401 or 403 for an answer, or a gRPC code.
		want int32
		fail codes.Code
	}{
		{"a good token", question{metadata: own, extensions: orders, headers: bearer(goodSecret)}, 200, 0},
		{"a good token, raw", question{metadata: own, extensions: orders, raw: [][2]string{{"Authorization", "Bearer " + goodSecret}}}, 200, 0},
		{"an API key", question{metadata: own, headers: map[string]string{"x-api-key": goodSecret}}, 200, 0},
		{"no token", question{metadata: own}, 401, 0},
		{"what is none", question{metadata: own, headers: bearer("hello")}, 401, 0},
		{"no scope", question{metadata: own, extensions: orders, headers: bearer(bareSecret)}, 403, 0},
		{"two, joined", question{metadata: own, headers: bearer(goodSecret + ",Bearer " + goodSecret)}, 401, 0},
		{"two, raw", question{metadata: own, raw: [][2]string{{"authorization", "Bearer " + goodSecret}, {"Authorization", "Bearer " + goodSecret}}}, 401, 0},
		{"one in each form", question{metadata: own, headers: bearer(goodSecret), raw: [][2]string{{"authorization", "Bearer " + goodSecret}}}, 401, 0},
		{"both headers", question{metadata: own, headers: map[string]string{"authorization": "Bearer " + goodSecret, "x-api-key": goodSecret}}, 401, 0},
		{"underscores", question{metadata: own, headers: map[string]string{"x_api_key": goodSecret}}, 401, 0},
		{"bound, from there", question{metadata: own, headers: bearer(bound), source: "192.0.2.7"}, 200, 0},
		{"bound, from elsewhere", question{metadata: own, headers: bearer(bound), source: "198.51.100.7"}, 401, 0},
		{"bound, not known from where", question{metadata: own, headers: bearer(bound)}, 401, 0},
		{"bound, through a balancer", question{metadata: own, headers: map[string]string{"authorization": "Bearer " + bound, "x-forwarded-for": "192.0.2.7, 10.0.0.9"}, source: "10.0.0.9"}, 200, 0},
		{"bound, forged", question{metadata: own, headers: map[string]string{"authorization": "Bearer " + bound, "x-forwarded-for": "192.0.2.7, 198.51.100.7"}, source: "198.51.100.7"}, 401, 0},
		{"another tenant's proxy", question{metadata: []string{"x-ledger-authorization", "Bearer " + theirs}, headers: bearer(goodSecret)}, 401, 0},
		{"a proxy without a token", question{headers: bearer(goodSecret)}, 0, codes.Unauthenticated},
		{"the bearer's as the proxy's", question{headers: map[string]string{"authorization": "Bearer " + goodSecret, "x-ledger-authorization": "Bearer " + proxy}}, 0, codes.Unauthenticated},
		{"a proxy with two", question{metadata: append(own, own...), headers: bearer(goodSecret)}, 0, codes.Unauthenticated},
		{"a proxy that may not", question{metadata: []string{"x-ledger-authorization", "Bearer " + noProxy}, headers: bearer(goodSecret)}, 0, codes.PermissionDenied},
		{"a mistyped extension", question{metadata: own, extensions: map[string]string{"scopes": "orders:read"}, headers: bearer(goodSecret)}, 0, codes.InvalidArgument},
		{"an empty scope", question{metadata: own, extensions: map[string]string{"scope": " "}, headers: bearer(goodSecret)}, 0, codes.InvalidArgument},
		{"a scope that is none", question{metadata: own, extensions: map[string]string{"scope": "a\"b"}, headers: bearer(goodSecret)}, 0, codes.InvalidArgument},
		{"another tenant asked for", question{metadata: own, extensions: map[string]string{"tenant": "acme"}, headers: bearer(goodSecret)}, 0, codes.PermissionDenied},
	} {
		out, err := e.ask(tc.q)
		if got := status.Code(err); got != tc.fail {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.fail)
			continue
		}
		if err != nil {
			continue
		}
		got := int32(out.GetDeniedResponse().GetStatus().GetCode())
		if out.GetOkResponse() != nil {
			got = 200
		}
		if got != tc.want || (got == 200) != (out.GetStatus().GetCode() == 0) {
			t.Errorf("%s: %v, want %d", tc.what, out, tc.want)
		}
		if body := out.GetDeniedResponse().GetBody(); got != 200 && (!strings.Contains(body, `"code":`) || strings.Contains(body, "revoked by")) {
			t.Errorf("%s: the bearer is told %s", tc.what, body)
		}
	}

	out, err := e.ask(question{metadata: own, extensions: orders, headers: bearer(goodSecret)})
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string]string{}
	for _, h := range out.GetOkResponse().GetHeaders() {
		if h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s does not take the place of the client's", h.GetHeader().GetKey())
		}
		sets[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
	}
	if sets["X-Token-Id"] != good.ID || sets["X-Token-Tenant"] != "default" || sets["X-Token-Name"] != "good" || sets["X-Token-Scopes"] != "orders:read" {
		t.Errorf("the upstream is sent %v", sets)
	}
	out, err = e.ask(question{metadata: own, headers: bearer(bareSecret)})
	if ok := out.GetOkResponse(); err != nil || len(ok.GetHeadersToRemove()) != 1 || ok.GetHeadersToRemove()[0] != "X-Token-Scopes" || ok.GetHeaders()[0].GetHeader().GetValue() != bare.ID {
		t.Errorf("of a token without scopes: %v, %v", out, err)
	}
	n.revoke(good.ID)
	if out, err = e.ask(question{metadata: own, headers: bearer(goodSecret)}); err != nil || out.GetDeniedResponse().GetStatus().GetCode() != 401 {
		t.Errorf("right after its revocation: %v, %v", out, err)
	}

	health, err := healthv1.NewHealthClient(e.conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	large := question{metadata: own, headers: map[string]string{"x-large": strings.Repeat("x", 1<<20)}}
	if _, err := e.ask(large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of a megabyte: %v", err)
	}
	n.Shutdown()
	if _, err := e.ask(question{metadata: own, headers: bearer(bareSecret)}); status.Code(err) != codes.Unavailable {
		t.Errorf("without the ledger: %v", err)
	}
}

// TestOpenExtAuthz answers whoever asks, if the operator wants that.
func TestOpenExtAuthz(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(cfg *server.Config) { cfg.ExtAuthzListen, cfg.ForwardAuthOpen = "127.0.0.1:0", true })
	e := dialEnvoy(t, n)
	_, secret := n.generate(api.GenerateRequest{Name: "theirs", Tenant: "acme", TTL: "1d"})
	headers := map[string]string{"authorization": "Bearer " + secret}
	for tenant, pass := range map[string]bool{"": true, "acme": true, "default": false} {
		q := question{headers: headers}
		if tenant != "" {
			q.extensions = map[string]string{"tenant": tenant}
		}
		out, err := e.ask(q)
		if err != nil || (out.GetOkResponse() != nil) != pass {
			t.Errorf("tenant %q: %v, %v", tenant, out, err)
		}
	}
	if _, err := e.ask(question{extensions: map[string]string{"tenant": "A B"}, headers: headers}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a tenant that is none: %v", err)
	}
	_, err := authv3.NewAuthorizationClient(e.conn).Check(context.Background(), &authv3.CheckRequest{})
	if err != nil {
		t.Errorf("an empty question: %v", err)
	}
}
