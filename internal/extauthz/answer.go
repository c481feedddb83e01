package extauthz

import (
	"net/http"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/wire"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// passed lets a request go on, with the headers that tell the upstream whose it is.
func passed(t tokens.Credential) *authv3.CheckResponse {
	ok := &authv3.OkHttpResponse{Headers: []*corev3.HeaderValueOption{
		header(api.HeaderTokenID, t.ID.String()),
		header(api.HeaderTokenTenant, t.Tenant),
		header(api.HeaderTokenName, api.EscapeHeader(t.Name)),
	}}
	if len(t.Scopes) > 0 {
		ok.Headers = append(ok.Headers, header(api.HeaderTokenScopes, strings.Join(t.Scopes, " ")))
	} else {
		// Envoy drops a header without a value, and would leave the client's.
		ok.HeadersToRemove = []string{api.HeaderTokenScopes}
	}
	return &authv3.CheckResponse{
		Status:       &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
	}
}

// denied is the answer to the bearer that may not pass.
func denied(e *commands.Error, scopes []string) (answered int, out *authv3.CheckResponse) {
	challenge := `Bearer realm="tokenledger"`
	answered, code, envoys := http.StatusUnauthorized, codes.Unauthenticated, typev3.StatusCode_Unauthorized
	switch {
	case e.Kind == commands.Forbidden:
		answered, code, envoys = http.StatusForbidden, codes.PermissionDenied, typev3.StatusCode_Forbidden
		challenge += `, error="insufficient_scope", scope="` + strings.Join(scopes, " ") + `"`
	case e.Code != "no_token":
		challenge += `, error="invalid_token"`
	}
	return answered, &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(code), Message: e.Code},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: envoys},
			Headers: []*corev3.HeaderValueOption{
				header("WWW-Authenticate", challenge), header("Content-Type", "application/problem+json"), header("Cache-Control", "no-store"),
			},
			Body: string(wire.Problem(e, answered, "")),
		}},
	}
}
