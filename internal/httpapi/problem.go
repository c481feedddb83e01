package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// statusError is an error of the transport itself, with a status of its own.
type statusError struct {
	status int
	what   *commands.Error
}

func (e *statusError) Error() string { return e.what.Error() }

// problem answers with err.
func (c *call) problem(err error) {
	status := 0
	e := wire.ErrorOf(err)
	if own, is := errors.AsType[*statusError](err); is {
		status, e = own.status, own.what
	}
	if status == 0 {
		status = wire.StatusOf(e.Kind)
	}
	if status >= 500 {
		c.api.Logger.Warn("a request could not be answered", "route", c.route.pattern(), "status", status, "code", e.Code, "detail", e.Detail, "cause", e.Cause, "request_id", c.requestID)
	}
	h := c.w.Header()
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		h.Set("WWW-Authenticate", challenge(e, c.wanted))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", "1")
	}
	if c.route.fault != nil {
		mediaType, fault := c.route.fault(c, status, e)
		body, _ := wire.Marshal(fault)
		_ = c.write(mediaType, status, body)
		return
	}
	body := wire.Problem(e, status, c.requestID)
	_ = c.write("application/problem+json", status, body)
}

// challenge is the WWW-Authenticate header of RFC 6750: no error code where no
// token was sent, or the one that is missing is not the bearer's. wanted are the scopes
// to name.
func challenge(e *commands.Error, wanted []string) string {
	const realm = `Bearer realm="tokenledger"`
	switch {
	case e.Code == "no_token", e.Code == "proxy_not_authenticated":
		return realm
	case e.Kind == commands.Forbidden && len(wanted) > 0:
		return realm + `, error="insufficient_scope", scope="` + strings.Join(wanted, " ") + `"`
	case e.Kind == commands.Forbidden:
		return realm + `, error="insufficient_scope"`
	}
	return realm + `, error="invalid_token"`
}

// json answers with v.
func (c *call) json(status int, v any) error {
	body, err := wire.Marshal(v)
	if err != nil {
		return err
	}
	if c.route.tagged && status == http.StatusOK {
		return c.tagged("application/json", body)
	}
	return c.write("application/json", status, body)
}

// write answers with the body. Once it has begun, an error is the connection's.
func (c *call) write(contentType string, status int, body []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.status = status
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
	return nil
}
