package events

import "github.com/oklog/ulid/v2"

// About is what the data of every event begins with: which token, who did it,
// and from where.
type About struct {
	// TokenID is zero where no token of the ledger is concerned.
	TokenID ulid.ULID `json:"token_id,omitzero"`
	Actor   Actor     `json:"actor,omitzero"`
	Origin  Origin    `json:"origin,omitzero"`
}

// Actor is who did it.
type Actor struct {
	// Type is "token" for a caller that signed in with a ledger token,
	// [ActorPerson] for a person, "system" for the ledger itself.
	Type string `json:"type"`
	// ID is the token's id, the person's ([Person.ID]), or the node's.
	ID string `json:"id,omitempty"`
	// Name is the token's or the person's name when it acted.
	Name string `json:"name,omitempty"`
	// TokenID is the token that the actor signed in with: of a person, the session.
	TokenID ulid.ULID `json:"token_id,omitzero"`
}

// Origin is where a request came from.
type Origin struct {
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// AboutOf gives what d begins with, to be read or filled in; nil for an [Unknown].
func AboutOf(d Data) *About {
	if known, ok := d.(interface{ about() *About }); ok {
		return known.about()
	}
	return nil
}

func (a *About) about() *About { return a }

// field decodes one of About's fields and reports whether key names one.
func (a *About) field(r *reader, key []byte) (bool, error) {
	var err error
	switch string(key) {
	case "token_id":
		a.TokenID, err = r.ulid()
	case "actor":
		err = a.Actor.decode(r)
	case "origin":
		err = a.Origin.decode(r)
	default:
		return false, nil
	}
	return true, err
}

func (a *Actor) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "type":
			a.Type, err = r.name()
		case "id":
			a.ID, err = r.name()
		case "name":
			a.Name, err = r.name()
		case "token_id":
			a.TokenID, err = r.ulid()
		default:
			err = r.skip()
		}
		return err
	})
}

func (o *Origin) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "ip":
			o.IP, err = r.name()
		case "user_agent":
			o.UserAgent, err = r.name()
		case "request_id":
			o.RequestID, err = r.string()
		default:
			err = r.skip()
		}
		return err
	})
}

// openWith begins the object that a is the first part of.
func (w *writer) openWith(a *About) {
	w.open()
	w.someULID("token_id", a.TokenID)
	if a.Actor != (Actor{}) {
		w.key("actor")
		w.open()
		w.string("type", a.Actor.Type)
		w.someString("id", a.Actor.ID)
		w.someString("name", a.Actor.Name)
		w.someULID("token_id", a.Actor.TokenID)
		w.close()
	}
	if o := a.Origin; o != (Origin{}) {
		w.key("origin")
		w.open()
		w.someString("ip", o.IP)
		w.someString("user_agent", o.UserAgent)
		w.someString("request_id", o.RequestID)
		w.close()
	}
}

// checkToken reports a missing token id.
func (a *About) checkToken() error {
	if a.TokenID.IsZero() {
		return missing("token_id")
	}
	return nil
}
