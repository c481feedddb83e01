package events

import "strings"

// ActorPerson is the [Actor.Type] of a person who signed in at an issuer.
const ActorPerson = "person"

// Person is who signed in, as the issuer has vouched for it (OpenID Connect Core 1.0,
// section 2). The zero value is nobody.
type Person struct {
	// Issuer is the issuer's URL. It has no fragment.
	Issuer string `json:"issuer"`
	// Subject is the issuer's name for the person; it never gives it to another.
	Subject string `json:"subject"`
	// Name is for people, and may change.
	Name string `json:"name,omitempty"`
}

// IsZero reports nobody.
func (p Person) IsZero() bool { return p == Person{} }

// personMark stands between issuer and subject: no issuer's URL has one.
const personMark = "#"

// ID names the person among those of all issuers: "https://id.example#f81d4fae".
func (p Person) ID() string {
	if p.IsZero() {
		return ""
	}
	return p.Issuer + personMark + p.Subject
}

// Subject gives a person's bare subject, and "" for every other actor.
func (a Actor) Subject() string {
	if a.Type != ActorPerson {
		return ""
	}
	_, subject, _ := strings.Cut(a.ID, personMark)
	return subject
}

func (p Person) check() error {
	switch {
	case p.IsZero():
		return nil
	case p.Issuer == "":
		return missing("issuer")
	case p.Subject == "":
		return missing("subject")
	}
	return nil
}

// somePerson writes who it is, or nothing for nobody.
func (w *writer) somePerson(key string, p Person) {
	if p.IsZero() {
		return
	}
	w.key(key)
	w.open()
	w.string("issuer", p.Issuer)
	w.string("subject", p.Subject)
	w.someString("name", p.Name)
	w.close()
}

func (p *Person) decode(r *reader) error {
	return r.object(func(key []byte) (err error) {
		switch string(key) {
		case "issuer":
			p.Issuer, err = r.name()
		case "subject":
			p.Subject, err = r.name()
		case "name":
			p.Name, err = r.name()
		default:
			err = r.skip()
		}
		return err
	})
}
