package httpapi

import (
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

// access says who may make a call at all.
type access uint8

const (
	// accessToken needs a token of the ledger.
	accessToken access = iota
	// accessLocal needs one too, unless the call comes from this machine.
	accessLocal
	// accessOpen needs none.
	accessOpen
)

// route is one call of the interface.
type route struct {
	method, path string
	access       access
	// credentials takes the caller's token out of the request; nil is bearer.
	credentials func(*call) (secret.Secret, error)
	// signIn, if set, settles who calls in the place of call.signIn.
	signIn func(*call) error
	// needs is the permission that the ledger will ask for; it stands here for
	// the documentation.
	needs   commands.Permission
	summary string
	// in and out are the shapes of the bodies; nil for none.
	in, out any
	// query names the parameters in the URL.
	query []string
	// status is that of success.
	status int
	// ndjson says that both bodies are lines of their shapes.
	ndjson bool
	// bodyOptional says that the body may be left out.
	bodyOptional bool
	// writes says that the call changes the ledger: it takes an Idempotency-Key and
	// answers with Ledger-Seq.
	writes bool
	// keyless says that a repeat of the call is known by what it says: it takes no
	// Idempotency-Key.
	keyless bool
	// more are statuses that the route answers with beside those that follow from what
	// it is.
	more []int
	// tagged says that the answer bears an ETag, by which it can be asked for again.
	tagged bool
	// headers are those of a success, beside the ones that follow from what it is.
	headers []string
	// schemes are the ways to show the caller's token; nil is "token" alone.
	schemes []string
	// form says that the body of the request is a form.
	form bool
	// media is that of an answer that is no JSON.
	media string
	// fault, if set, gives errors a form other than a problem document.
	fault  func(c *call, status int, e *commands.Error) (mediaType string, body any)
	handle func(*call) error
}

func (rt *route) pattern() string {
	if rt.method == "" {
		return rt.path
	}
	return rt.method + " " + rt.path
}

// routes is the whole interface.
func (a *API) routes() []route {
	const get, post, patch = http.MethodGet, http.MethodPost, http.MethodPatch
	conflict := []int{http.StatusConflict}
	return append(sessionRoutes(), []route{
		{method: post, path: "/v1/tokens", needs: commands.TokensWrite, status: 201, in: api.GenerateRequest{}, out: api.Generated{}, writes: true, more: conflict, handle: generate,
			summary: "Generate a token. The answer is the only time its secret is seen."},
		{method: get, path: "/v1/tokens", tagged: true, needs: commands.TokensRead, status: 200, out: api.TokenList{}, handle: list,
			query:   []string{"tenant", "site", "owner", "name", "status", "scope", "unused_since", "expires_before", "cursor", "limit"},
			summary: "List tokens, oldest first. A page may be short and still have a next_cursor."},
		{method: get, path: "/v1/tokens/{id}", tagged: true, needs: commands.TokensRead, status: 200, out: api.Token{}, handle: show,
			summary: "Show a token's record."},
		{method: get, path: "/v1/tokens/{id}/history", tagged: true, needs: commands.TokensRead, status: 200, out: api.History{}, handle: history,
			query: []string{"cursor", "limit"}, summary: "A token's events, in order, as they were published."},
		{method: patch, path: "/v1/tokens/{id}", tagged: true, needs: commands.TokensWrite, status: 200, in: api.UpdateRequest{}, out: api.Token{}, writes: true, more: conflict, handle: update,
			summary: "Change a token's labels."},
		{method: post, path: "/v1/tokens/{id}/revoke", needs: commands.TokensRevoke, status: 200, in: api.RevokeRequest{}, out: api.Token{}, writes: true, bodyOptional: true, more: conflict, handle: revoke,
			summary: "Revoke a token. Once this returns, this node rejects it."},
		{method: post, path: "/v1/tokens/{id}/rotate", needs: commands.TokensWrite, status: 201, in: api.RotateRequest{}, out: api.Generated{}, writes: true, bodyOptional: true, more: conflict, handle: rotate,
			summary: "Replace a token by a new one; the old one ends after the grace."},
		{method: post, path: "/v1/tokens/{id}/suspend", needs: commands.TokensRevoke, status: 200, in: api.SuspendRequest{}, out: api.Token{}, writes: true, bodyOptional: true, more: conflict, handle: suspend,
			summary: "Suspend a token until it is resumed."},
		{method: post, path: "/v1/tokens/{id}/resume", needs: commands.TokensRevoke, status: 200, in: api.SuspendRequest{}, out: api.Token{}, writes: true, bodyOptional: true, more: conflict, handle: resume,
			summary: "End a suspension."},
		{method: post, path: "/v1/tokens/revoke", needs: commands.TokensRevoke, status: 200, in: api.BulkRevokeRequest{}, out: api.BulkRevoked{}, writes: true, more: conflict, handle: revokeMany,
			summary: "Revoke every token that a filter chooses."},
		{method: post, path: "/v1/tokens/import", needs: commands.TokensWrite, status: 200, in: api.ImportLine{}, out: api.ImportResult{}, ndjson: true, writes: true, more: conflict, handle: importKeys,
			summary: "Import existing keys by their SHA-256, one line each."},
		{method: post, path: "/v1/tokens/validate", needs: commands.TokensValidate, status: 200, in: api.ValidateRequest{}, out: api.ValidateAnswer{}, handle: validate,
			summary: "Validate a token. The use or the rejection is on record before the answer goes out."},
		{method: post, path: "/v1/tokens/validate/batch", needs: commands.TokensValidate, status: 200, in: api.ValidateBatchRequest{}, out: api.ValidateBatchAnswer{}, handle: validateBatch,
			summary: "Validate up to 1,000 tokens. All uses and rejections are on record before the answer goes out."},
		{method: get, path: "/v1/tokens/unused", needs: commands.TokensRead, status: 200, out: api.UnusedList{}, handle: unused,
			query:   []string{"for", "tenant", "site", "owner", "cursor", "limit"},
			summary: "Active tokens that were neither used nor generated for a time (90d if not given). A page may be short and still have a next_cursor."},
		{method: post, path: "/v1/leaks", needs: commands.TokensRevoke, status: 200, in: api.LeaksRequest{}, out: api.LeaksAnswer{}, writes: true, keyless: true, handle: reportLeaks,
			summary: "Report leaked tokens. The report is recorded, and the token revoked or suspended, as the ledger's policy says."},
		{method: post, path: "/v1/leaks/github", access: accessOpen, status: 200, in: []api.GitHubMatch{}, out: []api.GitHubFeedback{}, more: []int{http.StatusNotFound, http.StatusGatewayTimeout}, handle: leaksGitHub,
			summary: "For GitHub's secret scanning: the body is signed (Github-Public-Key-Identifier, Github-Public-Key-Signature)."},
		{method: get, path: "/v1/authorize", needs: commands.TokensValidate, status: 200, schemes: []string{"proxy"}, signIn: signInProxy, headers: tokenHeaders, handle: forwardAuth,
			query: []string{"scope", "site", "tenant"}, summary: "Whether a proxy may let a request pass (forward auth). The proxy's own token is in X-Ledger-Authorization."},
		{method: post, path: introspectPath, needs: commands.TokensValidate, status: 200, form: true, in: api.IntrospectionRequest{}, out: api.Introspection{}, schemes: []string{"token", "basic"},
			signIn: signInClient, fault: oauthFault, handle: introspect, summary: "Whether a token is active, and what it is (RFC 7662)."},
		{method: post, path: revokePath, needs: commands.TokensRevoke, status: 200, form: true, in: api.RevocationRequest{}, writes: true, more: conflict, schemes: []string{"token", "basic"},
			signIn: signInClient, fault: oauthFault, handle: revokePresented, summary: "Revoke the token that is presented (RFC 7009). A token needs no permission to end itself."},
		{method: get, path: metadataPath, access: accessOpen, status: 200, out: api.OAuthMetadata{}, handle: oauthMetadata,
			summary: "Where the endpoints of OAuth are (RFC 8414)."},
		{method: get, path: "/v1/projections", needs: commands.Admin, status: 200, out: api.ProjectionList{}, handle: projectionStatus,
			summary: "How far the read side has come."},
		{method: get, path: "/v1/audit/events", needs: commands.AuditReadScope, status: 200, out: api.AuditEvents{}, handle: auditEvents,
			query:   []string{"actor", "token", "site", "ip", "kind", "since", "until", "tenant", "proof", "cursor", "limit"},
			summary: "Events, in the order of the stream, read from the audit log. Asking is itself recorded. A page may be short and still have a next_cursor."},
		{method: post, path: "/v1/audit/trace", needs: commands.AuditReadScope, status: 200, in: api.TraceRequest{}, out: api.Trace{}, more: []int{http.StatusNotFound, http.StatusConflict}, handle: trace,
			summary: "The whole story of one token, by its id, its name or, if it leaked, itself. Asking is recorded."},
		{method: get, path: "/v1/audit/as-of", needs: commands.AuditReadScope, status: 200, out: api.AsOf{}, handle: asOf,
			query:   []string{"time", "seq", "site", "owner", "scope", "status", "tenant", "count", "proof", "cursor", "limit"},
			summary: "The tokens that there were at a moment, as they were, or how many. Asking is recorded."},
		{method: get, path: "/v1/audit/diff", needs: commands.AuditReadScope, status: 200, out: api.Diff{}, handle: diff,
			query:   []string{"from", "to", "tenant", "proof", "cursor", "limit"},
			summary: "What became of tokens between two moments. Asking is recorded."},
		{method: get, path: "/v1/audit/checkpoint", needs: commands.AuditReadScope, status: 200, media: plainText, handle: checkpoint,
			summary: "A signed checkpoint of the audit log (C2SP tlog-checkpoint)."},
		{method: get, path: "/v1/audit/consistency", needs: commands.AuditReadScope, status: 200, out: api.Consistency{}, handle: consistency,
			query: []string{"from", "to"}, summary: "The proof that the audit log of a size begins with what it was at a smaller one (RFC 9162, 2.1.4). Without to, its newest checkpoint's."},
		{method: get, path: "/v1/audit/key", needs: commands.AuditReadScope, status: 200, media: plainText, handle: logKey,
			summary: "The key that this node's checkpoints are verified with."},
		{method: get, path: "/v1/audit/proofs/{seq}", needs: commands.AuditReadScope, status: 200, media: plainText, handle: proof,
			summary: "The proof that the event of a sequence is in the log (C2SP tlog-proof), with the event in it. Asking is recorded."},
		{method: get, path: "/v1/audit/tile/{path...}", needs: commands.AuditReadScope, status: 200, media: "application/octet-stream", handle: tile,
			summary: "A tile of the audit log (C2SP tlog-tiles). Bundles of entries (entries/…) need ledger:root."},
		{method: get, path: "/healthz", access: accessOpen, status: 200, out: api.Health{}, handle: healthz,
			summary: "Whether the node's parts work."},
		{method: get, path: "/readyz", access: accessOpen, status: 200, out: api.Health{}, handle: readyz,
			summary: "Whether the node may be given work."},
		{method: get, path: "/metrics", access: accessLocal, status: 200, media: plainText, handle: metrics,
			summary: "Figures in the Prometheus text format."},
		{method: get, path: "/openapi.json", access: accessLocal, tagged: true, status: 200, media: "application/json", handle: describe,
			summary: "This document."},
	}...)
}
