package events

// TypeTokenLeaked is the type of [TokenLeaked].
const TypeTokenLeaked Type = "tokenledger.token.leaked.v1"

// TokenLeaked says that a token was seen where it does not belong, and what was done
// about it. The actor is who reported it.
type TokenLeaked struct {
	About
	// Source says what kind of place it was seen in, or what found it: "commit".
	Source string `json:"source,omitempty"`
	// URL is where it was seen. A token in it is blotted out.
	URL  string `json:"url,omitempty"`
	Note string `json:"note,omitempty"`
	// SecretType is what the reporter calls tokens of this form.
	SecretType string `json:"secret_type,omitempty"`
	// ReportedBy names the key that the report was signed with, where the reporter
	// has no token of the ledger.
	ReportedBy string `json:"reported_by,omitempty"`
	// Presented says that the reporter had the token itself, and not only its hash.
	Presented bool `json:"presented,omitempty"`
	// Action is what the report led to. Where it is not ActionNone, the event
	// directly behind this one has done it.
	Action LeakAction `json:"action"`
	// Reason says why there was no action, in a word.
	Reason string `json:"reason,omitempty"`
}

// LeakAction is what the report of a leak led to.
type LeakAction string

// The actions there are.
const (
	LeakRevoked   LeakAction = "revoked"
	LeakSuspended LeakAction = "suspended"
	LeakNone      LeakAction = "none"
)

// Type implements [Data].
func (*TokenLeaked) Type() Type { return TypeTokenLeaked }

func (d *TokenLeaked) check() error {
	if d.Action == "" {
		return missing("action")
	}
	return d.checkToken()
}

func (d *TokenLeaked) encode(w *writer) {
	w.openWith(&d.About)
	w.someString("source", d.Source)
	w.someString("url", d.URL)
	w.someString("note", d.Note)
	w.someString("secret_type", d.SecretType)
	w.someString("reported_by", d.ReportedBy)
	w.someTrue("presented", d.Presented)
	w.string("action", string(d.Action))
	w.someString("reason", d.Reason)
	w.close()
}

func (d *TokenLeaked) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "source":
			d.Source, err = r.name()
		case "url":
			d.URL, err = r.string()
		case "note":
			d.Note, err = r.string()
		case "secret_type":
			d.SecretType, err = r.name()
		case "reported_by":
			d.ReportedBy, err = r.name()
		case "presented":
			d.Presented, err = r.bool()
		case "action":
			var s string
			s, err = r.name()
			d.Action = LeakAction(s)
		case "reason":
			d.Reason, err = r.name()
		default:
			return r.fieldOrSkip(&d.About, key)
		}
		return err
	})
}
