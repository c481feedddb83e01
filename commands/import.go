package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
)

// Import asks that an existing key be known by its hash, without a new secret.
type Import struct {
	Tenant string
	// SHA256 is over the key as its holders present it.
	SHA256 events.Digest
	Labels
}

// Imported is the outcome of one line of an import.
type Imported struct {
	ID ulid.ULID
	// Existed says that the hash was known before: ID is its token, unchanged.
	Existed bool
	// Err says why the line was refused; the other lines are not touched by it.
	Err error
}

// MaxImport bounds the lines that one import may have.
const MaxImport = 10_000

// Import records keys by their hashes, in atomic batches of up to 1,000. A hash
// that is known already stays as it is, so an import can be sent again whole. The
// results are in the order of the lines; seq is that of the last event, or what
// is applied where there was nothing to record.
func (h *Handler) Import(ctx context.Context, c Caller, lines []Import) (results []Imported, seq uint64, err error) {
	if len(lines) > MaxImport {
		return nil, 0, invalid("import_too_long", fmt.Sprintf("%d lines are more than the %d of one import; nothing was imported", len(lines), MaxImport), "send them in parts")
	}
	// One import at a time: two with the same hash would each find it unknown.
	h.importing.Lock()
	defer h.importing.Unlock()
	now := h.now()
	results = make([]Imported, len(lines))
	seq = h.state.Applied()
	coming := make(map[events.Digest]ulid.ULID)
	var facts []fact
	var waiting []int // the lines that facts stand for
	flush := func() error {
		if len(facts) == 0 {
			return nil
		}
		s, err := h.append(ctx, c, events.Idempotency{}, now, facts...)
		if err != nil {
			return err
		}
		seq, facts, waiting = s, nil, nil
		return nil
	}
	for i, line := range lines {
		id, existed, data, err := h.decideImport(c, line, coming, now)
		if err != nil {
			results[i].Err = err
			continue
		}
		results[i] = Imported{ID: id, Existed: existed}
		if existed {
			continue
		}
		coming[line.SHA256] = id
		facts, waiting = append(facts, fact{line.Tenant, data}), append(waiting, i)
		if len(facts) == maxBatch {
			if err := flush(); err != nil {
				return failFrom(results, waiting, err), seq, nil
			}
		}
	}
	if err := flush(); err != nil {
		return failFrom(results, waiting, err), seq, nil
	}
	return results, seq, nil
}

// failFrom marks all lines from the first of the batch that failed on, but for
// those that were refused for a reason of their own. Among them may be some that
// were known before: they can be sent again like the others.
func failFrom(results []Imported, waiting []int, err error) []Imported {
	for i := waiting[0]; i < len(results); i++ {
		if results[i].Err == nil {
			results[i] = Imported{Err: err}
		}
	}
	return results
}

func (h *Handler) decideImport(c Caller, line Import, coming map[events.Digest]ulid.ULID, now time.Time) (id ulid.ULID, existed bool, data *events.TokenGenerated, err error) {
	if line.SHA256 == secret.Of("").Hash() {
		return id, false, nil, invalid("sha256_invalid", "this is the SHA-256 of the empty string: with it, no token at all would be a good one", "leave the line out: its key is blank")
	}
	if line.SHA256.IsZero() {
		return id, false, nil, invalid("sha256_invalid", "sha256 is missing or no SHA-256", "give 64 hex digits: the SHA-256 over the key")
	}
	if id, ok := coming[line.SHA256]; ok {
		return id, true, nil, nil
	}
	id, known, err := h.state.ByHash(line.SHA256)
	if err != nil {
		return id, false, nil, Unreadable(err)
	}
	if known {
		t, ok, err := h.state.Token(id)
		if err != nil {
			return id, false, nil, Unreadable(err)
		}
		if ok && t.Tenant != line.Tenant {
			return id, false, nil, conflict("hash_taken", "this hash cannot be imported here; it is in use", "make sure that the key belongs to this tenant alone, and re-issue it")
		}
		return id, true, nil, nil
	}
	data, err = decideGenerate(h.policy, c, line.Labels, now)
	if err != nil {
		return id, false, nil, err
	}
	id = NewID(now)
	data.TokenID, data.SHA256, data.Imported = id, line.SHA256, true
	return id, false, data, nil
}
