// Package signin is the ledger's side of OpenID Connect: it sends people to their
// issuer and verifies what the issuer says of them when they come back (authorization
// code flow with PKCE; OpenID Connect Core 1.0, RFC 7636, RFC 9207). It knows nothing
// of HTTP requests, and decides nothing: what a person may do is for package commands.
//
// What is guaranteed: an [Identity] was signed by a key that the issuer publishes, for
// this client, in answer to the very attempt that the same browser began, now. What is
// not: that the person is still employed a moment later, or that the issuer is honest.
//
// A [Party] remembers nothing of a sign-in that was only begun: all of it is sealed and
// kept by the browser, so that strangers cannot fill the node's memory. The key of the
// seal lives and ends with the process, and is no other node's: a sign-in is finished at
// the node where it was begun.
package signin
