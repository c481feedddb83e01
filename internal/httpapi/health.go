package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
)

func healthz(c *call) error { return c.health(c.api.Healthy()) }

func readyz(c *call) error { return c.health(c.api.Ready()) }

// health answers with a status that everybody may know, and with its why for
// those on this machine.
func (c *call) health(err error) error {
	local := fromLoopback(c.r)
	out := api.Health{Status: "ok"}
	status := http.StatusOK
	if err != nil {
		out.Status, status = "unavailable", http.StatusServiceUnavailable
		if local {
			out.Detail = err.Error()
			if e, ok := errors.AsType[*commands.Error](err); ok {
				out.Detail, out.Hint = e.Detail, e.Hint
			}
		}
	}
	if local {
		out.Applied, out.Last, out.Version = c.api.Ledger.State.Applied(), c.api.Ledger.Freshness.Last(), c.api.Version
	}
	return c.json(status, out)
}

func metrics(c *call) error {
	c.status = http.StatusOK
	c.api.Metrics.ServeHTTP(c.w, c.r)
	return nil
}

// Starting answers every request while the node is not ready yet.
func Starting() http.Handler {
	a := &API{Config: Config{Logger: slog.New(slog.DiscardHandler), Observe: func(string, int, time.Duration) {}}}
	rt := route{path: "/", access: accessOpen, handle: func(*call) error {
		return &commands.Error{Kind: commands.Unavailable, Code: "starting", Detail: "this node is starting: it has not caught up with the stream yet", Hint: "try again shortly"}
	}}
	answer := a.wrap(rt)
	rt.fault = oauthFault
	toOAuth := a.wrap(rt)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/oauth2/") {
			toOAuth(w, r)
			return
		}
		answer(w, r)
	})
}

func describe(c *call) error { return c.tagged("application/json", c.api.document) }
