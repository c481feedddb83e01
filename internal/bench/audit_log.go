package bench

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

// auditBatch is how many events are appended to an audit log at once: what the
// follower hands over when it has catching up to do.
const auditBatch = 4096

// auditLog is an audit log without a node.
type auditLog struct {
	*audit.Log
	vkey string
	dir  string
}

// openAudit makes an audit log below dir.
func (b *bench) openAudit(dir string) (*auditLog, error) {
	signing, verifying, err := note.GenerateKey(rand.Reader, "tokenledger/bench")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(signing)
	if err != nil {
		return nil, err
	}
	l := &auditLog{vkey: verifying, dir: filepath.Join(dir, "audit")}
	verifier, err := note.NewVerifier(verifying)
	if err != nil {
		return nil, err
	}
	l.Log, err = audit.Open(audit.Config{Dir: l.dir, Signer: signer, Verifier: verifier, Logger: b.Logger})
	return l, err
}

// recordings gives events as the stream would, one after another.
type recordings struct {
	p   *population
	ids []ulid.ULID
	seq uint64
	at  time.Time
}

func newRecordings() *recordings {
	p := newPopulation()
	return &recordings{p: p, at: p.now}
}

// next gives the next n events.
func (r *recordings) next(n int) ([]events.Recorded, error) {
	batch := make([]events.Recorded, n)
	for i := range batch {
		e := r.event()
		raw, err := events.Encode(e)
		if err != nil {
			return nil, err
		}
		r.seq++
		r.at = r.at.Add(time.Millisecond)
		batch[i] = events.Recorded{Seq: r.seq, Received: r.at, Subject: events.StreamSubject(e), Raw: raw, Event: e}
	}
	return batch, nil
}

// event gives the next one; the first is that of every ledger.
func (r *recordings) event() events.Event {
	if r.seq > 0 {
		return r.p.mixed(&r.ids)
	}
	id := commands.NewID(r.p.now)
	e := r.p.event(id, &events.LedgerCreated{LedgerID: id, LogOrigin: "elsewhere", PublicKey: "another"})
	e.Subject = ""
	return e
}

// fillAudit appends n events of a ledger at work, and has each batch looked at.
func (b *bench) fillAudit(ctx context.Context, l *auditLog, n int, look func([]events.Recorded) error) (*recordings, error) {
	r := newRecordings()
	for done := 0; done < n; {
		batch, err := r.next(min(auditBatch, n-done))
		if err != nil {
			return nil, err
		}
		if err := l.Append(batch); err != nil {
			return nil, err
		}
		if look != nil {
			if err := look(batch); err != nil {
				return nil, err
			}
		}
		if done += len(batch); done%(25*auditBatch) == 0 {
			b.step("preparing the audit log, %d of %d events", done, n)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return r, l.WaitFor(ctx, uint64(n))
}
