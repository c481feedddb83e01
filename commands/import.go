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

// CheckImportLength refuses an import of more than [MaxImport] lines, those that are
// refused for themselves among them.
func CheckImportLength(lines int) error {
	if lines <= MaxImport {
		return nil
	}
	return invalid("import_too_long", fmt.Sprintf("an import may have %d lines, and this one has more; nothing was imported", MaxImport), "send them in parts")
}

// ImportedAll is the outcome of an import.
type ImportedAll struct {
	// Lines are in the order of what was asked.
	Lines []Imported
	// Seq is that of the last event, or what is applied where there was nothing to
	// record.
	Seq uint64
	// Replayed says that an earlier request with the same Idempotency-Key imported
	// all that there was to import.
	Replayed bool
}

// Import records keys by their hashes, in atomic batches of up to 1,000. A hash
// that is known already stays as it is, so an import can be sent again whole. With
// an Idempotency-Key, what an earlier request with it imported counts as imported,
// not as there before; and what that one did not come to is imported now.
func (h *Handler) Import(ctx context.Context, c Caller, lines []Import) (all ImportedAll, err error) {
	if err := CheckImportLength(len(lines)); err != nil {
		return all, err
	}
	var idem events.Idempotency
	if c.IdempotencyKey != "" {
		if idem, err = fingerprint(c, "import", lines); err != nil {
			return all, err
		}
		defer h.keys.lock(idem.Key)()
	}
	// One import at a time: two with the same hash would each find it unknown.
	h.importing.Lock()
	defer h.importing.Unlock()
	earlier, last, err := h.importedBefore(lines, idem)
	if err != nil {
		return all, err
	}
	now := h.now()
	results := make([]Imported, len(lines))
	all = ImportedAll{Lines: results, Seq: h.state.Applied(), Replayed: len(earlier) > 0}
	if all.Replayed {
		all.Seq = last
	}
	coming := make(map[events.Digest]ulid.ULID)
	var facts []fact
	var waiting []int // the lines that facts stand for
	flush := func() error {
		if len(facts) == 0 {
			return nil
		}
		seq, err := h.append(ctx, c, idem, now, facts...)
		if err != nil {
			return err
		}
		all.Seq, all.Replayed, facts, waiting = seq, false, nil, nil
		return nil
	}
	for i, line := range lines {
		id, existed, data, err := h.decideImport(c, line, coming, now)
		if err != nil {
			results[i].Err = err
			continue
		}
		results[i] = Imported{ID: id, Existed: existed && !earlier[id]}
		if existed {
			continue
		}
		coming[line.SHA256] = id
		facts, waiting = append(facts, fact{line.Tenant, data}), append(waiting, i)
		if len(facts) == maxBatch {
			if err := flush(); err != nil {
				failFrom(results, waiting, err)
				return all, nil
			}
		}
	}
	if err := flush(); err != nil {
		failFrom(results, waiting, err)
	}
	return all, nil
}

// importedBefore gives the tokens that an earlier request with the same key imported,
// and the sequence of the last.
func (h *Handler) importedBefore(lines []Import, idem events.Idempotency) (ids map[ulid.ULID]bool, last uint64, err error) {
	if idem.Key == "" {
		return nil, 0, nil
	}
	ids = make(map[ulid.ULID]bool)
	asked := make(map[string]bool)
	for _, line := range lines {
		if asked[line.Tenant] {
			continue
		}
		asked[line.Tenant] = true
		first, err := h.state.Answered(line.Tenant, idem.Key)
		if err != nil {
			return nil, 0, Unreadable(err)
		}
		for _, a := range first {
			if a.Request != idem.Request {
				return nil, 0, keyReused()
			}
			ids[a.TokenID] = true
			last = max(last, a.Seq)
		}
	}
	return ids, last, nil
}

// failFrom marks all lines from the first of the batch that failed on, but for
// those that were refused for a reason of their own. Among them may be some that
// were known before: they can be sent again like the others.
func failFrom(results []Imported, waiting []int, err error) {
	for i := waiting[0]; i < len(results); i++ {
		if results[i].Err == nil {
			results[i] = Imported{Err: err}
		}
	}
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
