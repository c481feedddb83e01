package tokens

import (
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// Ledger is which ledger this is: what its first event says.
type Ledger struct {
	ID ulid.ULID
	// LogOrigin is the origin line of the audit log's checkpoints, PublicKey its
	// verifier key.
	LogOrigin string
	PublicKey string
	// Seq is the event's sequence.
	Seq uint64
}

// createLedger remembers the first ledger.created event; a ledger has one.
func (p *Projection) createLedger(r events.Recorded, d *events.LedgerCreated) {
	if p.ledger {
		return
	}
	p.ledger = true
	v := append(p.val[:0], d.LedgerID[:]...)
	v = appendString(v, d.LogOrigin)
	v = appendString(v, d.PublicKey)
	p.val = appendUvarint(v, r.Seq)
	p.key = append(p.key[:0], kindLedger)
	p.out.set(p.key, p.val)
}

// Ledger gives the ledger's identity, and false while its first event was not
// applied.
func (r *Reader) Ledger() (Ledger, bool, error) {
	row, found, err := r.get([]byte{kindLedger})
	if err != nil || !found {
		return Ledger{}, false, err
	}
	in := rowReader{s: string(row)}
	l := Ledger{ID: in.id(), LogOrigin: in.string(), PublicKey: in.string(), Seq: in.uvarint()}
	if err := in.end("ledger"); err != nil {
		return Ledger{}, false, err
	}
	return l, true, nil
}
