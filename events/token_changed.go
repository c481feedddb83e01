package events

// The types of the events by which a living token changes.
const (
	TypeTokenUpdated   Type = "tokenledger.token.updated.v1"
	TypeTokenSuspended Type = "tokenledger.token.suspended.v1"
	TypeTokenResumed   Type = "tokenledger.token.resumed.v1"
)

// TokenUpdated says which labels of a token changed, and to what. What bears on
// security is never edited in place: a token is rotated instead.
type TokenUpdated struct {
	About
	// A nil field was not changed; an empty Owner was taken away.
	Name  *string `json:"name,omitempty"`
	Owner *string `json:"owner,omitempty"`
	// Metadata, when not nil, replaces all that was there.
	Metadata *map[string]string `json:"metadata,omitempty"`
}

// TokenSuspended says that a token is not good until it is resumed.
type TokenSuspended struct {
	About
	Reason string `json:"reason,omitempty"`
}

// TokenResumed ends a suspension.
type TokenResumed struct {
	About
	Reason string `json:"reason,omitempty"`
}

// Type implements [Data].
func (*TokenUpdated) Type() Type { return TypeTokenUpdated }

// Type implements [Data].
func (*TokenSuspended) Type() Type { return TypeTokenSuspended }

// Type implements [Data].
func (*TokenResumed) Type() Type { return TypeTokenResumed }

func (d *TokenUpdated) check() error   { return d.checkToken() }
func (d *TokenSuspended) check() error { return d.checkToken() }
func (d *TokenResumed) check() error   { return d.checkToken() }

func (d *TokenUpdated) encode(w *writer) {
	w.openWith(&d.About)
	if d.Name != nil {
		w.string("name", *d.Name)
	}
	if d.Owner != nil {
		w.string("owner", *d.Owner)
	}
	if d.Metadata != nil {
		w.stringMap("metadata", *d.Metadata)
	}
	w.close()
}

func (d *TokenSuspended) encode(w *writer) {
	w.openWith(&d.About)
	w.someString("reason", d.Reason)
	w.close()
}

func (d *TokenResumed) encode(w *writer) {
	w.openWith(&d.About)
	w.someString("reason", d.Reason)
	w.close()
}

func (d *TokenUpdated) decode(r *reader) error {
	return r.object(func(key []byte) error {
		switch string(key) {
		case "name":
			s, err := r.string()
			d.Name = &s
			return err
		case "owner":
			s, err := r.string()
			d.Owner = &s
			return err
		case "metadata":
			m, err := r.stringMap()
			if m == nil {
				m = map[string]string{}
			}
			d.Metadata = &m
			return err
		default:
			return r.fieldOrSkip(&d.About, key)
		}
	})
}

func (d *TokenSuspended) decode(r *reader) error { return decodeReason(r, &d.About, &d.Reason) }
func (d *TokenResumed) decode(r *reader) error   { return decodeReason(r, &d.About, &d.Reason) }

func decodeReason(r *reader, about *About, reason *string) error {
	return r.object(func(key []byte) (err error) {
		if string(key) == "reason" {
			*reason, err = r.string()
			return err
		}
		return r.fieldOrSkip(about, key)
	})
}
