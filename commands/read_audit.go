package commands

import (
	"context"
	"errors"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
)

// ReadAudit asks that a reading of the audit log be on record, before what was read
// is given to the caller.
type ReadAudit struct {
	// Tenant is whose events were asked for; where it is several, the caller's own.
	Tenant string
	// TokenID is the token that the question was about, if it was about one.
	TokenID ulid.ULID
	// Query is the question in its canonical form: see docs/events.md.
	Query string
}

// ReadAudit records the reading. When it returns nil, the fact is durable and this node
// shows it; on any error nothing may be answered.
func (h *Handler) ReadAudit(ctx context.Context, c Caller, cmd ReadAudit) error {
	// A question is no write: an Idempotency-Key means nothing to it.
	_, err := h.append(ctx, c, events.Idempotency{}, h.now(), fact{cmd.Tenant, decideReadAudit(cmd)})
	if e, ok := errors.AsType[*Error](err); err == nil || ok && e.Kind == Unauthenticated {
		return err
	}
	return &Error{Kind: Unavailable, Code: "read_not_recorded",
		Detail: "the reading of the audit log could not be recorded, so nothing was answered",
		Hint:   "ask again shortly; if it lasts, the operator has to see to the node's disk or its NATS server", Cause: err}
}

func decideReadAudit(cmd ReadAudit) *events.AuditRead {
	d := &events.AuditRead{Query: cleanQuery(cmd.Query)}
	d.TokenID = cmd.TokenID
	return d
}

// maxQuery bounds what is recorded of a question, in bytes.
const maxQuery = 1000

// cleanQuery does to a question what [Clean] does to other texts that the caller chose.
func cleanQuery(s string) string {
	s = secret.Blot(s)
	if len(s) > maxQuery {
		s = s[:maxQuery]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
