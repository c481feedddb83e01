package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// MaxIdempotencyKey bounds an Idempotency-Key, in bytes.
const MaxIdempotencyKey = 255

// maxAnswered bounds how many events of an earlier request are looked at to answer its
// repeat. Only a bulk revocation can have more; it counts them apart.
const maxAnswered = maxBatch

// once carries a command out, or answers the repeat of one.
//
// A request with an Idempotency-Key leaves the key's hash in its events, so the
// memory of it is the stream itself: as durable as what was done, for ever, and
// the same on every node. Two requests with one key at the same time are taken
// one after the other on a node. A command that changed nothing leaves nothing,
// and is decided anew.
func once[R any](ctx context.Context, h *Handler, c Caller, op, tenant string, input any,
	do func(events.Idempotency) (R, error),
	replay func(context.Context, []tokens.Answered) (R, error),
) (R, error) {
	var none R
	if c.IdempotencyKey == "" {
		return do(events.Idempotency{})
	}
	idem, err := fingerprint(c, op, input)
	if err != nil {
		return none, err
	}
	defer h.keys.lock(idem.Key)()
	first, err := h.state.Answered(tenant, idem.Key, maxAnswered)
	if err != nil {
		return none, Unreadable(err)
	}
	if len(first) == 0 {
		return do(idem)
	}
	if first[0].Request != idem.Request {
		return none, keyReused()
	}
	return replay(ctx, first)
}

func keyReused() error {
	return conflict("idempotency_key_reused", "this Idempotency-Key was used for a different request; nothing was changed", "use a new key for a new request")
}

func fingerprint(c Caller, op string, input any) (events.Idempotency, error) {
	if len(c.IdempotencyKey) > MaxIdempotencyKey {
		return events.Idempotency{}, invalid("idempotency_key_invalid", fmt.Sprintf("the Idempotency-Key has %d bytes; %d are the most", len(c.IdempotencyKey), MaxIdempotencyKey), "use a UUID or a ULID")
	}
	request, err := json.Marshal(input)
	if err != nil {
		return events.Idempotency{}, fmt.Errorf("fingerprint %s: %w", op, err)
	}
	return events.Idempotency{
		Key:     hexSum(c.Actor.ID + "\x00" + c.IdempotencyKey),
		Request: hexSum(op + "\x00" + string(request)),
	}, nil
}

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
