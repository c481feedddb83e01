package commands

import (
	"context"
	"slices"
	"sync"
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
	// Refused says why the line was refused before it came here; it is given back as
	// the line's outcome, and the rest of it is not looked at.
	Refused error `json:"-"`
}

// Imported is the outcome of one line of an import.
type Imported struct {
	ID ulid.ULID
	// Existed says that the hash was known before: ID is its token, unchanged.
	Existed bool
	// Err says why the line was refused; the other lines are not touched by it.
	Err error
}

const (
	// MaxImport bounds the lines that one import may have.
	MaxImport = 1_000_000
	// MaxImportBatch bounds the lines that are decided together.
	MaxImportBatch = maxBatch
	// importsInFlight bounds the batches of imports that are on their way to the
	// stream at once, of all callers together: enough that a batch is decided while
	// another is being synced, and few enough that other commands get their turn.
	importsInFlight = 4
)

// Importing is an import under way: keys that are recorded by their hashes, batch by
// batch. Each batch is atomic; there is nothing that spans them. A hash that is known
// already stays as it is, so an import can be sent again whole, and one that was cut
// short is carried on by sending it again.
//
// With an Idempotency-Key, what an earlier request with it imported counts as imported,
// not as there before. The key stands for the import that begins with the same line,
// those that were refused left out: there is no end of an import to compare before it is
// reached.
//
// An Importing belongs to one goroutine; the batches that it gives may be awaited in
// another.
type Importing struct {
	h    *Handler
	c    Caller
	idem events.Idempotency
	// asked are tenants whose memory of the key was looked at, with what was found.
	asked map[string]error
}

// maxAsked bounds Importing.asked.
const maxAsked = 1024

// StartImport begins an import by the caller. It takes nothing that would have to be
// given back.
func (h *Handler) StartImport(c Caller) *Importing {
	return &Importing{h: h, c: c, asked: make(map[string]error)}
}

// ImportBatch is a batch of lines that was decided, with its new tokens on their way
// to the stream.
type ImportBatch struct {
	lines []Imported
	// awaits are the lines whose hash is that of a token on its way.
	awaits []awaited
	// fresh are the lines that have an event of this batch.
	fresh    []int
	replayed int
	// seq and replayedSeq are as in [ImportedBatch].
	seq, replayedSeq uint64
	done             chan struct{}
	err              error // set before done is closed
}

type awaited struct {
	line int
	on   *ImportBatch
}

// ImportedBatch is the outcome of a batch.
type ImportedBatch struct {
	// Lines are in the order of what was asked.
	Lines []Imported
	// Seq is that of the batch's last event, or what was applied where there was
	// nothing to record.
	Seq uint64
	// Recorded counts the batch's events, Replayed the lines that an earlier request
	// with the same Idempotency-Key had recorded; ReplayedSeq is the last of theirs.
	Recorded, Replayed int
	ReplayedSeq        uint64
	// Err says why the batch's events were not recorded, or may not have been; each
	// of their lines has it.
	Err error
}

// Submit decides the next lines, [MaxImportBatch] at the most, and sends their events
// on their way. It waits while too many batches are. An error means that none of these
// lines was decided.
//
// The batch finds its end without anybody's waiting for it.
func (im *Importing) Submit(ctx context.Context, lines []Import) (*ImportBatch, error) {
	select {
	case im.h.importSlots <- struct{}{}:
	case <-ctx.Done():
		return nil, &Error{Kind: Unavailable, Code: "import_stopped", Detail: "the import was broken off while it waited for its turn", Hint: "send it again: what was imported is known then", Cause: ctx.Err()}
	}
	leave := func() { <-im.h.importSlots }
	first := slices.IndexFunc(lines, func(line Import) bool { return line.Refused == nil })
	if im.idem.Key == "" && im.c.IdempotencyKey != "" && first >= 0 {
		// Held until the first batch shows what the key was used for.
		unlock, err := im.claimKey(lines[first:])
		if err != nil {
			leave()
			return nil, err
		}
		free := leave
		leave = func() { unlock(); free() }
	}
	b := &ImportBatch{lines: make([]Imported, len(lines)), done: make(chan struct{}), seq: im.h.state.Applied()}
	now := im.h.now()
	facts, hashes := im.decide(b, lines, now)
	if len(facts) == 0 {
		leave()
		close(b.done)
		return b, nil
	}
	go func() {
		defer close(b.done)
		defer leave()
		seq, err := im.h.append(ctx, im.c, im.idem, now, facts...)
		if err != nil {
			b.err = err
		} else {
			b.seq = seq
		}
		im.h.coming.drop(hashes)
	}()
	return b, nil
}

// Wait gives the batch's outcome, once this node reads what was recorded, or it is
// known that nothing was.
func (b *ImportBatch) Wait() ImportedBatch {
	<-b.done
	out := ImportedBatch{Lines: b.lines, Seq: b.seq, Replayed: b.replayed, ReplayedSeq: b.replayedSeq, Err: b.err}
	for _, w := range b.awaits {
		if w.on != b {
			<-w.on.done
		}
		if w.on.err != nil {
			b.lines[w.line] = Imported{Err: w.on.err}
		}
	}
	b.awaits = nil
	if b.err == nil {
		out.Recorded = len(b.fresh)
		return out
	}
	for _, i := range b.fresh {
		b.lines[i] = Imported{Err: b.err}
	}
	return out
}

// claimKey settles what the Idempotency-Key stands for and whether it was used for
// something else in a tenant of these lines, and takes its lock. The first of them was
// not refused, and is the first of the import that was not.
func (im *Importing) claimKey(lines []Import) (unlock func(), err error) {
	if im.idem, err = fingerprint(im.c, "import", lines[0]); err != nil {
		return nil, err
	}
	unlock = im.h.keys.lock(im.idem.Key)
	for _, line := range lines {
		if line.Refused != nil {
			continue
		}
		if err := im.keyIn(line.Tenant); err != nil {
			unlock()
			return nil, err
		}
	}
	return unlock, nil
}

// keyIn reports whether the import's key was used for another request in the tenant.
func (im *Importing) keyIn(tenant string) error {
	if im.idem.Key == "" {
		return nil
	}
	if err, known := im.asked[tenant]; known {
		return err
	}
	first, err := im.h.state.Answered(tenant, im.idem.Key, 1)
	if err != nil {
		return Unreadable(err) // may be passing: it is not kept
	}
	if len(first) > 0 && first[0].Request != im.idem.Request {
		err = keyReused()
	}
	if len(im.asked) == maxAsked {
		clear(im.asked)
	}
	im.asked[tenant] = err
	return err
}

// decide settles what becomes of each line, and announces the hashes that are coming.
func (im *Importing) decide(b *ImportBatch, lines []Import, now time.Time) (facts []fact, hashes []events.Digest) {
	coming := &im.h.coming
	// Two imports with the same hash must not each find it unknown: what one decides
	// is announced before another looks, and stays so until everybody can read it.
	coming.mu.Lock()
	defer coming.mu.Unlock()
	for i, line := range lines {
		out := &b.lines[i]
		if err := im.readable(line); err != nil {
			out.Err = err
			continue
		}
		if on, ok := coming.keys[line.SHA256]; ok {
			if on.tenant != line.Tenant {
				out.Err = hashTaken()
				continue
			}
			*out = Imported{ID: on.id, Existed: true}
			b.awaits = append(b.awaits, awaited{i, on.batch})
			continue
		}
		id, known, earlier, err := im.known(line)
		if err != nil {
			out.Err = err
			continue
		}
		if known {
			*out = Imported{ID: id, Existed: earlier == 0}
			if earlier > 0 {
				b.replayed, b.replayedSeq = b.replayed+1, max(b.replayedSeq, earlier)
			}
			continue
		}
		data, err := decideGenerate(im.h.policy, im.c, line.Labels, now)
		if err != nil {
			out.Err = err
			continue
		}
		data.TokenID, data.SHA256, data.Imported = NewID(now), line.SHA256, true
		*out = Imported{ID: data.TokenID}
		coming.add(line.SHA256, comingKey{data.TokenID, line.Tenant, b})
		facts, hashes, b.fresh = append(facts, fact{line.Tenant, data}), append(hashes, line.SHA256), append(b.fresh, i)
	}
	return facts, hashes
}

// readable refuses a line that no state can make good.
func (im *Importing) readable(line Import) error {
	switch {
	case line.Refused != nil:
		return line.Refused
	case line.SHA256 == emptyHash:
		return invalid("sha256_invalid", "this is the SHA-256 of the empty string: with it, no token at all would be a good one", "leave the line out: its key is blank")
	case line.SHA256.IsZero():
		return invalid("sha256_invalid", "sha256 is missing or no SHA-256", "give 64 hex digits: the SHA-256 over the key")
	}
	return im.keyIn(line.Tenant)
}

// known looks the hash up. earlier is the sequence of its token's event, if a request
// with the import's own Idempotency-Key made it; else 0.
func (im *Importing) known(line Import) (id ulid.ULID, known bool, earlier uint64, err error) {
	id, known, err = im.h.state.ByHash(line.SHA256)
	if err != nil || !known {
		return id, false, 0, Unreadable(err)
	}
	t, ok, err := im.h.state.Token(id)
	if err != nil {
		return id, false, 0, Unreadable(err)
	}
	if !ok {
		return id, true, 0, nil
	}
	if t.Tenant != line.Tenant {
		return id, false, 0, hashTaken()
	}
	if im.idem.Key == "" {
		return id, true, 0, nil
	}
	a, ok, err := im.h.state.AnsweredAt(line.Tenant, im.idem.Key, t.CreatedSeq)
	if err != nil || !ok || a.Request != im.idem.Request {
		return id, true, 0, Unreadable(err)
	}
	return id, true, a.Seq, nil
}

func hashTaken() error {
	return conflict("hash_taken", "this hash cannot be imported here; it is in use", "make sure that the key belongs to this tenant alone, and re-issue it")
}

var emptyHash = secret.Of("").Hash()

// comingKeys are the hashes whose tokens are on their way to the stream, of all
// imports. Its zero value is ready.
type comingKeys struct {
	mu   sync.Mutex
	keys map[events.Digest]comingKey
}

type comingKey struct {
	id     ulid.ULID
	tenant string
	batch  *ImportBatch
}

// add announces a key; mu is held.
func (c *comingKeys) add(hash events.Digest, k comingKey) {
	if c.keys == nil {
		c.keys = make(map[events.Digest]comingKey)
	}
	c.keys[hash] = k
}

// drop takes back what was announced.
func (c *comingKeys) drop(hashes []events.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, hash := range hashes {
		delete(c.keys, hash)
	}
}
