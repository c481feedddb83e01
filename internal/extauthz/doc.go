// Package extauthz is the transport of forward auth for Envoy: the gRPC service
// envoy.service.auth.v3.Authorization. It reads what Envoy tells of a request, asks the
// ledger, and writes the answer in Envoy's terms. It holds no rule of its own.
//
// Whether a bearer may pass is always an answer, OK or denied. A gRPC error is about the
// proxy (its credentials, its configuration) or the node; Envoy then does what its
// failure_mode_allow and status_on_error say, and refuses by default.
//
// An answer that lets a request pass sets the four X-Token headers in the place of what
// the client sent under these names, and touches no other header.
//
// Messages, headers, streams of a connection and idle connections are bounded.
package extauthz
