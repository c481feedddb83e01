package events

import "time"

// The types of [TokenUsed] and [TokenRejected].
const (
	TypeTokenUsed     Type = "tokenledger.token.used.v1"
	TypeTokenRejected Type = "tokenledger.token.rejected.v1"
)

// Use is what [TokenUsed] and [TokenRejected] have in common: Count validations of
// one token that asked for the same, from the same place, with the same outcome.
type Use struct {
	About
	Count     uint64    `json:"count"`
	FirstAt   time.Time `json:"first_at"`
	LastAt    time.Time `json:"last_at"`
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	Site      string    `json:"site,omitempty"`
	Resource  string    `json:"resource,omitempty"`
	Scopes    []string  `json:"scopes,omitempty"`
	// Node and JournalPos name the last entry of the usage journal that the
	// event counts. A node's events come in the order of their positions, so
	// one at or below the highest that was applied is a repeat.
	Node       string `json:"node"`
	JournalPos uint64 `json:"journal_pos"`
}

// TokenUsed says that a token was presented and found good.
type TokenUsed struct{ Use }

// TokenRejected says that a token was presented and found not good. TokenID is
// set only where the id was real; the string that was presented is stored nowhere.
type TokenRejected struct {
	Use
	// Reason is the validation's reason, such as "revoked".
	Reason string `json:"reason"`
}

// Type implements [Data].
func (*TokenUsed) Type() Type { return TypeTokenUsed }

// Type implements [Data].
func (*TokenRejected) Type() Type { return TypeTokenRejected }

func (u *Use) check() error {
	switch {
	case u.Count == 0:
		return missing("count")
	case u.FirstAt.IsZero():
		return missing("first_at")
	case u.LastAt.IsZero():
		return missing("last_at")
	case u.Node == "":
		return missing("node")
	case u.JournalPos == 0:
		return missing("journal_pos")
	}
	return nil
}

func (d *TokenUsed) check() error {
	if err := d.checkToken(); err != nil {
		return err
	}
	return d.Use.check()
}

func (d *TokenRejected) check() error {
	if d.Reason == "" {
		return missing("reason")
	}
	return d.Use.check()
}

// openUse begins the object that u is the first part of.
func (u *Use) openUse(w *writer) {
	w.openWith(&u.About)
	w.uint("count", u.Count)
	w.time("first_at", u.FirstAt)
	w.time("last_at", u.LastAt)
	w.someString("ip", u.IP)
	w.someString("user_agent", u.UserAgent)
	w.someString("site", u.Site)
	w.someString("resource", u.Resource)
	w.someStrings("scopes", u.Scopes)
	w.string("node", u.Node)
	w.uint("journal_pos", u.JournalPos)
}

func (d *TokenUsed) encode(w *writer) {
	d.openUse(w)
	w.close()
}

func (d *TokenRejected) encode(w *writer) {
	d.openUse(w)
	w.string("reason", d.Reason)
	w.close()
}

func (u *Use) field(r *reader, key []byte) (err error) {
	switch string(key) {
	case "count":
		u.Count, err = r.uint()
	case "first_at":
		u.FirstAt, err = r.time()
	case "last_at":
		u.LastAt, err = r.time()
	case "ip":
		u.IP, err = r.name()
	case "user_agent":
		u.UserAgent, err = r.name()
	case "site":
		u.Site, err = r.name()
	case "resource":
		u.Resource, err = r.name()
	case "scopes":
		u.Scopes, err = r.strings()
	case "node":
		u.Node, err = r.name()
	case "journal_pos":
		u.JournalPos, err = r.uint()
	default:
		return r.fieldOrSkip(&u.About, key)
	}
	return err
}

func (d *TokenUsed) decode(r *reader) error {
	return r.object(func(key []byte) error { return d.field(r, key) })
}

func (d *TokenRejected) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		if string(key) == "reason" {
			d.Reason, err = r.name()
			return err
		}
		return d.field(r, key)
	})
}
