package events

import "time"

// TypeTokenRevoked is the type of [TokenRevoked].
const TypeTokenRevoked Type = "tokenledger.token.revoked.v1"

// ReasonCode says why a token was revoked, in a word that can be counted.
type ReasonCode string

// The reasons there are.
const (
	ReasonLeaked     ReasonCode = "leaked"
	ReasonRotated    ReasonCode = "rotated"
	ReasonUnused     ReasonCode = "unused"
	ReasonOffboarded ReasonCode = "offboarding"
	ReasonRequested  ReasonCode = "requested"
	ReasonOther      ReasonCode = "other"
)

// ReasonCodes lists every [ReasonCode].
func ReasonCodes() []ReasonCode {
	return []ReasonCode{ReasonLeaked, ReasonRotated, ReasonUnused, ReasonOffboarded, ReasonRequested, ReasonOther}
}

// TokenRevoked brings a token's end forward. Of several, the earliest EffectiveAt
// holds.
type TokenRevoked struct {
	About
	// EffectiveAt is when the token ends; it may lie ahead (a grace period).
	EffectiveAt time.Time  `json:"effective_at"`
	ReasonCode  ReasonCode `json:"reason_code,omitempty"`
	Reason      string     `json:"reason,omitempty"`
}

// Type implements [Data].
func (*TokenRevoked) Type() Type { return TypeTokenRevoked }

func (d *TokenRevoked) check() error {
	if d.EffectiveAt.IsZero() {
		return missing("effective_at")
	}
	return d.checkToken()
}

func (d *TokenRevoked) encode(w *writer) {
	w.openWith(&d.About)
	w.time("effective_at", d.EffectiveAt)
	w.someString("reason_code", string(d.ReasonCode))
	w.someString("reason", d.Reason)
	w.close()
}

func (d *TokenRevoked) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "effective_at":
			d.EffectiveAt, err = r.time()
		case "reason_code":
			var s string
			s, err = r.name()
			d.ReasonCode = ReasonCode(s)
		case "reason":
			d.Reason, err = r.string()
		default:
			return r.fieldOrSkip(&d.About, key)
		}
		return err
	})
}
