package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/secretscan"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// Config is what the transport works with.
type Config struct {
	Ledger *ledger.Ledger
	Logger *slog.Logger
	// Observe is told of every answer, with the route's pattern.
	Observe func(pattern string, status int, took time.Duration)
	// Metrics serves GET /metrics.
	Metrics http.Handler
	// Ready returns nil when the node may be given work.
	Ready func() error
	// Healthy returns nil while the node's parts work.
	Healthy func() error
	Version string
	// GitHub takes the messages of GitHub's secret scanning; nil takes none.
	GitHub *secretscan.Receiver
	// PublicURL is where people and programs reach the node, without a slash at the end. It
	// is the name of the issuer in OAuth.
	PublicURL string
	// ForwardAuthOpen lets everybody ask whether a request may pass, and not only
	// proxies that show a token of their own.
	ForwardAuthOpen bool
	// TrustedProxies are believed where they say that a request came from.
	TrustedProxies ledger.Proxies
}

// API serves the interface.
type API struct {
	Config
	mux *http.ServeMux
	// document is what describes the interface.
	document []byte
	imports  importLimit
}

// New gives the handler of the whole interface.
func New(cfg Config) *API {
	a := &API{Config: cfg, mux: http.NewServeMux()}
	routes := a.routes()
	for _, rt := range routes {
		a.mux.HandleFunc(rt.pattern(), a.wrap(rt))
	}
	a.document = openAPI(routes)
	a.mux.HandleFunc("/", a.wrap(route{path: "/", access: accessOpen, handle: a.noRoute}))
	return a
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// call is one request on its way.
type call struct {
	api       *API
	w         http.ResponseWriter
	r         *http.Request
	route     *route
	requestID string
	session   auth.Session
	byCookie  bool // the caller's token came in the cookie of a session
	status    int
	// values is the query, once it was checked.
	values url.Values
	// wanted are the scopes that a refusal for the lack of scope names.
	wanted []string
}

// wrap is what all calls have in common.
func (a *API) wrap(rt route) http.HandlerFunc {
	pattern := rt.pattern()
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &call{api: a, w: w, r: r, route: &rt, requestID: wire.RequestID(r.Header.Get("X-Request-Id"))}
		h := w.Header()
		h.Set("X-Request-Id", c.requestID)
		commonHeaders(h, r.TLS != nil)
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				a.Logger.Error("a request made the node panic", "route", pattern, "request_id", c.requestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if c.status == 0 {
					c.problem(&commands.Error{Code: "internal", Detail: "the node failed on this request", Hint: "give the operator the request_id"})
				}
			}
			a.Observe(pattern, c.status, time.Since(began))
		}()
		if err := c.serve(); err != nil {
			c.problem(err)
		}
	}
}

func (c *call) serve() error {
	if err := checkURL(c.r); err != nil {
		return err
	}
	if c.route.access == accessToken || c.route.access == accessLocal && !fromLoopback(c.r) {
		if err := c.signIn(); err != nil {
			return err
		}
	}
	err := c.checkQuery()
	if err == nil || c.route.access != accessToken {
		err = c.route.handle(c)
	}
	if err != nil && c.api.Ledger != nil {
		// The request went wrong before it came to an operation of the ledger,
		// which would have recorded the use of the caller's token.
		err = errors.Join(c.api.Ledger.Finish(c.r.Context(), c.session), err)
	}
	return err
}

// signIn settles who calls.
func (c *call) signIn() error {
	if own := c.route.signIn; own != nil {
		return own(c)
	}
	credentials := c.route.credentials
	if credentials == nil {
		credentials = bearerOrSession
	}
	token, err := credentials(c)
	if err != nil {
		return err
	}
	key, err := once(c.r, "Idempotency-Key")
	if err != nil {
		return err
	}
	s, err := c.api.Ledger.SignIn(c.r.Context(), token, c.origin(), c.route.pattern())
	if err != nil {
		c.dropCookie(err)
		return err
	}
	if c.byCookie && s.Actor.Type != events.ActorPerson {
		// A cookie is for people's sessions; any other token there was put there.
		return errors.Join(c.api.Ledger.Finish(c.r.Context(), s), commands.NotGood())
	}
	s.IdempotencyKey = key
	c.session = s
	if c.route.access == accessLocal {
		// There is no operation of the ledger behind these.
		return c.api.Ledger.Finish(c.r.Context(), s)
	}
	return nil
}

func (c *call) origin() events.Origin {
	return events.Origin{IP: remoteIP(c.r), UserAgent: commands.Clean(c.r.UserAgent()), RequestID: c.requestID}
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func fromLoopback(r *http.Request) bool {
	ip := net.ParseIP(remoteIP(r))
	return ip != nil && ip.IsLoopback()
}

// noRoute answers what no route takes: 405 where the path is known, else 404.
func (a *API) noRoute(c *call) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
		try := c.r.Clone(c.r.Context())
		try.Method = method
		if _, pattern := a.mux.Handler(try); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 && !slices.Contains(allowed, c.r.Method) {
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &statusError{http.StatusMethodNotAllowed, &commands.Error{Code: "method_not_allowed",
			Detail: "this path does not take " + commands.Clean(c.r.Method), Hint: "it takes " + strings.Join(allowed, " and ")}}
	}
	return &commands.Error{Kind: commands.NotFound, Code: "no_such_path", Detail: "there is nothing at this path",
		Hint: "the interface is described at /openapi.json; its base is /v1"}
}

// seq sets the header that every write answers with.
func (c *call) seq(seq uint64, replayed bool) {
	c.w.Header().Set("Ledger-Seq", strconv.FormatUint(seq, 10))
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
}
