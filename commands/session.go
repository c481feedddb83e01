package commands

import (
	"errors"
	"fmt"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func actorOf(p events.Person) events.Actor {
	return events.Actor{Type: events.ActorPerson, ID: p.ID(), Name: p.Name}
}

// Actor is who acts with a token that was found good: the token, or the person whose
// session it is.
func (j *Judge) Actor(v Verdict) (events.Actor, error) {
	id := v.Token.ID
	if !v.Token.Person {
		return events.Actor{Type: "token", ID: id.String(), Name: v.Token.Name, TokenID: id}, nil
	}
	t, known, err := j.state.Token(id)
	if err == nil && (!known || t.Person.IsZero()) {
		err = errors.New("the record of a session does not say whose it is")
	}
	if err != nil {
		return events.Actor{}, Unreadable(err)
	}
	a := actorOf(t.Person)
	a.TokenID = id
	return a, nil
}

// notASession refuses to do to a session what would make it another's, or hide whose
// it is.
func notASession(op string, t tokens.Token) error {
	if t.Person.IsZero() {
		return nil
	}
	return conflict("session_fixed", fmt.Sprintf("cannot %s %s: it is a person's session; nothing was changed", op, t.ID), "sign in again; to end it, revoke it")
}
