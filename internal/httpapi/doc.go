// Package httpapi is the HTTP transport: it reads requests, asks the ledger, and
// writes answers. It holds no rule of its own beyond the shape and size of what
// comes in.
//
// The table in routes.go is the whole interface. The mux, the metrics and the
// OpenAPI document are made from it, so none of them can miss a call.
//
// Every error is application/problem+json (RFC 9457). Request bodies are bounded,
// JSON with unknown fields is refused, and a token is taken from the
// Authorization header alone, never from a URL.
package httpapi
