package wire

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
)

// StatusOf turns whose move it is into a status of HTTP, which other transports give too.
func StatusOf(k commands.Kind) int {
	switch k {
	case commands.Invalid:
		return http.StatusBadRequest
	case commands.TooLarge:
		return http.StatusRequestEntityTooLarge
	case commands.Unauthenticated:
		return http.StatusUnauthorized
	case commands.Forbidden:
		return http.StatusForbidden
	case commands.NotFound:
		return http.StatusNotFound
	case commands.TooMany:
		return http.StatusTooManyRequests
	case commands.Outdated:
		return http.StatusPreconditionFailed
	case commands.Conflict:
		return http.StatusConflict
	case commands.Unavailable:
		return http.StatusServiceUnavailable
	case commands.UnknownOutcome:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// ErrorOf gives what is told to the caller of err.
func ErrorOf(err error) *commands.Error {
	if e, ok := errors.AsType[*commands.Error](err); ok {
		return e
	}
	return &commands.Error{Code: "internal", Detail: "the node failed on this request", Hint: "give the operator the request_id", Cause: err}
}

// Problem is the body of an answer with e (RFC 9457).
func Problem(e *commands.Error, status int, requestID string) []byte {
	body, _ := Marshal(api.Problem{
		Type: "/docs/errors#" + e.Code, Title: http.StatusText(status), Status: status,
		Detail: e.Detail, Code: e.Code, Hint: e.Hint, RequestID: requestID,
	})
	return body
}

// Marshal writes one line of JSON. What is JSON already, an event's bytes, stays
// as it is to the letter.
func Marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.PreserveRawStrings(true))
	return append(b, '\n'), err
}
