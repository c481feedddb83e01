package events

import "github.com/oklog/ulid/v2"

// The types of the events that concern the ledger as a whole.
const (
	TypeLedgerCreated Type = "tokenledger.ledger.created.v1"
	TypeAuditRead     Type = "tokenledger.audit.read.v1"
)

// LedgerCreated is sequence 1 of every ledger and tells it from every other.
type LedgerCreated struct {
	About
	LedgerID ulid.ULID `json:"ledger_id"`
	// LogOrigin is the origin line of the audit log's checkpoints.
	LogOrigin string `json:"log_origin"`
	// PublicKey is the audit log's verifier key, as golang.org/x/mod/sumdb/note
	// writes it: name+hash+base64.
	PublicKey string `json:"public_key"`
}

// AuditRead says who asked the audit log what.
type AuditRead struct {
	About
	// Query is the question as it was asked.
	Query string `json:"query"`
}

// Type implements [Data].
func (*LedgerCreated) Type() Type { return TypeLedgerCreated }

// Type implements [Data].
func (*AuditRead) Type() Type { return TypeAuditRead }

func (d *LedgerCreated) check() error {
	switch {
	case d.LedgerID.IsZero():
		return missing("ledger_id")
	case d.LogOrigin == "":
		return missing("log_origin")
	case d.PublicKey == "":
		return missing("public_key")
	}
	return nil
}

func (d *AuditRead) check() error {
	if d.Query == "" {
		return missing("query")
	}
	return nil
}

func (d *LedgerCreated) encode(w *writer) {
	w.openWith(&d.About)
	w.ulid("ledger_id", d.LedgerID)
	w.string("log_origin", d.LogOrigin)
	w.string("public_key", d.PublicKey)
	w.close()
}

func (d *AuditRead) encode(w *writer) {
	w.openWith(&d.About)
	w.string("query", d.Query)
	w.close()
}

func (d *LedgerCreated) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "ledger_id":
			d.LedgerID, err = r.ulid()
		case "log_origin":
			d.LogOrigin, err = r.string()
		case "public_key":
			d.PublicKey, err = r.string()
		default:
			return r.fieldOrSkip(&d.About, key)
		}
		return err
	})
}

func (d *AuditRead) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		if string(key) == "query" {
			d.Query, err = r.string()
			return err
		}
		return r.fieldOrSkip(&d.About, key)
	})
}
