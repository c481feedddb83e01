package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// Bounds on request bodies, in bytes.
const (
	maxBody   = 128 << 10
	maxImport = 2 << 30
)

// body reads the request's body whole.
func (c *call) body(limit int64) (raw []byte, err error) {
	announced := c.r.ContentLength
	if announced > limit {
		return nil, tooLarge(limit)
	}
	if announced >= 0 && announced <= maxBody { // more is taken as it comes, not as it is announced
		raw = make([]byte, announced)
		_, err = io.ReadFull(c.r.Body, raw)
	} else {
		raw, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, &commands.Error{Kind: commands.Invalid, Code: "body_unreadable", Detail: "the request's body ended early", Hint: "send it whole", Cause: err}
	}
	return raw, nil
}

func tooLarge(limit int64) error {
	return &commands.Error{Kind: commands.TooLarge, Code: "body_too_large",
		Detail: fmt.Sprintf("the request's body is larger than %d bytes; nothing was changed", limit), Hint: "send less"}
}

// into decodes the body, which has to be there, into v.
func (c *call) into(v any) error {
	raw, err := c.body(maxBody)
	if err != nil {
		return err
	}
	return wire.Decode(raw, v)
}

// maybeInto is into for calls whose body may be left out.
func (c *call) maybeInto(v any) error {
	raw, err := c.body(maxBody)
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return err
	}
	return wire.Decode(raw, v)
}
