package events_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
)

// session is the generated event of a person's session.
func session() events.Event {
	p := events.Person{Issuer: "https://id.example/realms/acme", Subject: "f81d4fae-7dec", Name: "Añil <anil@acme.example>"}
	a := about(tokenID)
	a.Actor = events.Actor{Type: events.ActorPerson, ID: p.ID(), Name: p.Name}
	return events.Event{
		ID: eventID, Source: "/tokenledger/01jda0t", Time: at, Tenant: "acme", Subject: tokenID.String(),
		Data: &events.TokenGenerated{
			About: a, Name: p.Name, Owner: p.ID(), Scopes: []string{"ledger:admin"}, SHA256: events.Digest{0: 0xab, 31: 0xcd},
			ExpiresAt: at.AddDate(0, 0, 1), Person: p,
		},
	}
}

// The type has a second golden file: the first is of before there were sessions.
func TestGoldenFileOfASession(t *testing.T) {
	e := session()
	encoded, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	path := goldenFile(e.Data.Type() + ".session")
	golden, err := os.ReadFile(path)
	if os.IsNotExist(err) && *addGolden {
		golden = append(bytes.Clone(encoded), '\n')
		err = os.WriteFile(path, golden, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	golden = bytes.TrimSuffix(golden, []byte("\n"))
	if diff := cmp.Diff(string(golden), string(encoded)); diff != "" {
		t.Errorf("a session is encoded otherwise than it was (-golden +now):\n%s", diff)
	}
	decoded, err := events.Decode(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, decoded); diff != "" {
		t.Errorf("the golden file decodes otherwise (-want +got):\n%s", diff)
	}
}

// A person of whom a part is missing is none.
func TestAPersonIsWholeOrNone(t *testing.T) {
	for _, p := range []events.Person{{Name: "x"}, {Issuer: "https://id.example"}, {Subject: "x"}} {
		e := session()
		e.Data.(*events.TokenGenerated).Person = p
		if _, err := events.Encode(e); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
	e := session()
	e.Data.(*events.TokenGenerated).Person = events.Person{}
	if raw, err := events.Encode(e); err != nil || bytes.Contains(raw, []byte(`"person":`)) {
		t.Errorf("nobody: %s, %v", raw, err)
	}
}

func TestThePersonOfAnActor(t *testing.T) {
	p := session().Data.(*events.TokenGenerated).Person
	for _, tc := range []struct {
		actor events.Actor
		want  string
	}{
		{events.Actor{Type: events.ActorPerson, ID: p.ID()}, p.Subject},
		{events.Actor{Type: events.ActorPerson, ID: "https://id.example#a#b"}, "a#b"},
		{events.Actor{Type: "token", ID: p.ID()}, ""},
		{events.Actor{Type: events.ActorPerson}, ""},
	} {
		if got := tc.actor.Subject(); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.actor, got, tc.want)
		}
	}
}
