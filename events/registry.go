package events

import "encoding/json"

// newData gives an empty value of the type t, or nil for a type or version that
// this build does not know. It is the whole registry.
func newData(t Type) Data {
	switch t {
	case TypeTokenGenerated:
		return new(TokenGenerated)
	case TypeTokenRevoked:
		return new(TokenRevoked)
	case TypeTokenUsed:
		return new(TokenUsed)
	case TypeTokenRejected:
		return new(TokenRejected)
	case TypeTokenUpdated:
		return new(TokenUpdated)
	case TypeTokenSuspended:
		return new(TokenSuspended)
	case TypeTokenResumed:
		return new(TokenResumed)
	case TypeTokenLeaked:
		return new(TokenLeaked)
	case TypeLedgerCreated:
		return new(LedgerCreated)
	case TypeAuditRead:
		return new(AuditRead)
	}
	return nil
}

// Types lists every type that this build knows.
func Types() []Type {
	return []Type{
		TypeTokenGenerated, TypeTokenRevoked, TypeTokenUsed, TypeTokenRejected,
		TypeTokenUpdated, TypeTokenSuspended, TypeTokenResumed, TypeTokenLeaked,
		TypeLedgerCreated, TypeAuditRead,
	}
}

// Kinds lists the last parts of the subjects of these types.
func Kinds() (kinds []string) {
	for _, t := range Types() {
		kinds = append(kinds, t.Kind())
	}
	return kinds
}

// Unknown is the data of an event whose type or version this build does not
// know. It is carried as it came.
type Unknown struct {
	Name Type
	// Raw is the JSON of the event's data; nil where the event had none.
	Raw json.RawMessage
}

// Type implements [Data].
func (u *Unknown) Type() Type { return u.Name }

func (u *Unknown) check() error { return nil }

func (u *Unknown) encode(w *writer) {
	if u.Raw == nil {
		w.raw(json.RawMessage("null"))
		return
	}
	w.raw(u.Raw)
}

func (u *Unknown) decode(r *reader) (err error) {
	u.Raw, err = r.raw()
	return err
}
