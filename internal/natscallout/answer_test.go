package natscallout

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/oklog/ulid/v2"
)

// To a server an empty list of what is allowed means everything.
func TestWhoWasGrantedNothingMayDoNothing(t *testing.T) {
	none := permissions(Admitted{})
	if !slices.Equal(none.Pub.Deny, []string{">"}) || !slices.Equal(none.Sub.Deny, []string{">"}) {
		t.Errorf("granted nothing: %+v", none)
	}
	hears := permissions(Admitted{Subscribe: []string{"revocations.>"}})
	if !slices.Equal(hears.Sub.Allow, []string{"revocations.>"}) || len(hears.Sub.Deny) > 0 || !slices.Equal(hears.Pub.Deny, []string{">"}) {
		t.Errorf("may hear: %+v", hears)
	}
	asks := permissions(Admitted{Publish: []string{">"}})
	if !slices.Equal(asks.Pub.Allow, []string{">"}) || !slices.Equal(asks.Pub.Deny, denied) || !slices.Equal(asks.Sub.Deny, []string{">"}) {
		t.Errorf("may ask: %+v", asks)
	}
}

func TestUserIsWhomTheServerAskedFor(t *testing.T) {
	now := time.Now()
	a, keys := newAsker(t), newKeys(t, false)
	r, err := decode(a.sign(t, a.claims(keys, now)), "", keys, now)
	if err != nil {
		t.Fatal(err)
	}
	who := Admitted{Token: ulid.Make(), Tenant: "acme", Subscribe: []string{"ledger.acme.revoked"}}
	signed, err := user(r, who, "TENANT-acme", now.Add(time.Minute), keys)
	if err != nil {
		t.Fatal(err)
	}
	c, err := jwt.DecodeUserClaims(signed)
	if err != nil {
		t.Fatal(err)
	}
	var problems jwt.ValidationResults
	c.Validate(&problems)
	if !problems.IsEmpty() || c.Subject != a.user || c.Issuer != keys.issuer || c.Name != who.Token.String() || c.Audience != "TENANT-acme" || c.Expires != now.Add(time.Minute).Unix() {
		t.Errorf("the user is %+v (%v)", c, problems.Issues)
	}
}

func TestTimeInEndsWithTheToken(t *testing.T) {
	s := &Service{cfg: Config{TTL: time.Minute}}
	now := time.Now()
	for range 1000 {
		if in := s.until(now, time.Time{}).Sub(now); in > time.Minute || in < time.Minute*7/8 {
			t.Fatalf("in for %s", in)
		}
		if in := s.until(now, now.Add(time.Second)).Sub(now); in != time.Second {
			t.Fatalf("in for %s, and the token for a second", in)
		}
		if in := s.until(now, now.Add(time.Hour)).Sub(now); in > time.Minute {
			t.Fatalf("in for %s", in)
		}
	}
}

func TestAccounts(t *testing.T) {
	for _, a := range []Accounts{
		{"", "ROOT"}, {"TENANTS", "ROOT"}, {"{tenant}-{tenant}", "ROOT"}, {"T {tenant}", "ROOT"}, {"T-{tenant}\n", "ROOT"},
		{"T-{tenant}", ""}, {"T-{tenant}", "R OOT"}, {"T-{tenant}", "$SYS"}, {"T-{tenant}", "T-acme"}, {"{tenant}", "root"}, {"{tenant}-t", "a-t"},
	} {
		if a.Check() == nil {
			t.Errorf("%+v was taken", a)
		}
	}
	for _, a := range []Accounts{{"TENANT-{tenant}", "ALL"}, {"{tenant}", "ALL"}, {"{tenant}.ledger", "root"}} {
		if err := a.Check(); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
		if of := a.Of("acme", false); !a.Has(of) || a.Of("acme", true) != a.Root || !a.Has(a.Root) || a.Has("SYS") || a.Has("") {
			t.Errorf("%+v does not know its own accounts", a)
		}
	}
	if of := (Accounts{"TENANT-{tenant}", "ALL"}).Of("acme", false); of != "TENANT-acme" {
		t.Errorf("acme's is %s", of)
	}
}

func TestInsideIsBounded(t *testing.T) {
	var in inside
	now := time.Now()
	one, two := ulid.Make(), ulid.Make()
	in.add(one, connection{"S", 1}, now.Add(time.Minute))
	in.add(one, connection{"S", 1}, now.Add(time.Minute)) // as often as it is asked for
	in.add(one, connection{"S", 2}, now.Add(-time.Minute))
	in.add(two, connection{"S", 3}, now.Add(-time.Minute))
	if ids := in.tokens(now); !slices.Equal(ids, []ulid.ULID{one}) || in.n != 1 {
		t.Errorf("inside are %v, %d connections", ids, in.n)
	}
	if conns := in.connections(one); !slices.Equal(conns, []connection{{"S", 1}}) {
		t.Errorf("the token's connections: %v", conns)
	}
	in.remove(one, connection{"S", 1})
	in.remove(one, connection{"S", 1})
	if ids := in.tokens(now); len(ids) != 0 || in.n != 0 || len(in.of) != 0 {
		t.Errorf("inside are %v, %d connections", ids, in.n)
	}
	for i := range uint64(mostInside + 10) {
		in.add(one, connection{"S", i}, now)
	}
	if in.n != mostInside || len(in.connections(one)) != mostInside {
		t.Errorf("%d are remembered", in.n)
	}
}
