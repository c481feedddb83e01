package httpapi

import "net/http"

// Headers of every answer. The slices are shared and must not be appended to.
//
// Nothing here is a page, so a browser that is made to load an answer as one gets a
// policy that lets it do nothing. No header of CORS is ever sent: pages of other origins
// cannot read what the ledger says.
var (
	noStore       = []string{"no-store"}
	noSniff       = []string{"nosniff"}
	noFrames      = []string{"DENY"}
	noReferrer    = []string{"no-referrer"}
	sameOrigin    = []string{"same-origin"}
	nothingLoads  = []string{"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}
	onlyEncrypted = []string{"max-age=31536000"}
)

// commonHeaders sets what every answer bears; a route may set some otherwise.
func commonHeaders(h http.Header, encrypted bool) {
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["X-Frame-Options"] = noFrames
	h["Referrer-Policy"] = noReferrer
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Content-Security-Policy"] = nothingLoads
	if encrypted {
		h["Strict-Transport-Security"] = onlyEncrypted
	}
}
