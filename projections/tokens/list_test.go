package tokens_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func TestListRefusesBadQueries(t *testing.T) {
	l := newLedger(t)
	for field, q := range map[string]tokens.Query{
		"tenant": {},
		"limit":  {Tenant: "acme", Limit: -1},
		"status": {Tenant: "acme", Status: "asleep", Now: epoch},
		"now":    {Tenant: "acme", Status: tokens.StatusActive},
	} {
		var qe *tokens.QueryError
		if _, err := l.List(q); !errors.As(err, &qe) || qe.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	var qe *tokens.QueryError
	if _, err := l.List(tokens.Query{Tenant: "acme", AllTenants: true}); !errors.As(err, &qe) {
		t.Errorf("a tenant and all tenants: %v", err)
	}
}

func TestListRefusesCursorsThatAreNotItsOwn(t *testing.T) {
	l := newLedger(t)
	for n := range 5 {
		l.tell(generated(n))
	}
	q := tokens.Query{Tenant: "acme", Limit: 2}
	page, err := l.List(q)
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	good := page.Next
	refused := func(what string, q tokens.Query) {
		t.Helper()
		var ce *tokens.CursorError
		if _, err := l.List(q); !errors.As(err, &ce) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range good {
		for _, c := range []string{"A", "z", "="} {
			if broken := good[:i] + c + good[i+1:]; broken != good {
				q.Cursor = broken
				refused(fmt.Sprintf("a cursor with %q at %d", c, i), q)
			}
		}
		q.Cursor = good[:i]
		if i > 0 {
			refused(fmt.Sprintf("the first %d characters of a cursor", i), q)
		}
	}
	q.Cursor = good
	for what, other := range map[string]func(*tokens.Query){
		"another tenant": func(q *tokens.Query) { q.Tenant = "other" },
		"another filter": func(q *tokens.Query) { q.Scope = "orders:read" },
		"another index":  func(q *tokens.Query) { q.Site = "a" },
		"all tenants":    func(q *tokens.Query) { q.Tenant, q.AllTenants = "", true },
	} {
		q := q
		other(&q)
		refused(what, q)
	}
	q.Limit, q.Now = 3, epoch // are no filters
	if page, err = l.List(q); err != nil || len(page.Tokens) != 3 || page.Next != "" {
		t.Errorf("the rest of the list is %+v, %v", page, err)
	}
}

func TestListKeepsTenantsApart(t *testing.T) {
	l := newLedger(t)
	a, b := l.record(generated(1)), l.record(generated(2))
	b.Event.Tenant = "acme-2"
	l.apply([]events.Recorded{a, b})
	for tenant, want := range map[string]string{"acme": "Token 1", "acme-2": "Token 2"} {
		page, err := l.List(tokens.Query{Tenant: tenant})
		if err != nil || len(page.Tokens) != 1 || page.Tokens[0].Name != want {
			t.Errorf("tenant %s has %+v, %v", tenant, page.Tokens, err)
		}
	}
	if page, err := l.List(tokens.Query{AllTenants: true}); err != nil || len(page.Tokens) != 2 {
		t.Errorf("all tenants have %+v, %v", page.Tokens, err)
	}
}

// Rows come and go behind and before the cursor; what stays is listed once.
func TestCursorContinuesWhileRowsChange(t *testing.T) {
	l := newLedger(t)
	for n := range 40 {
		d := generated(2 * n)
		d.Owner = "team"
		l.tell(d)
	}
	q := tokens.Query{Tenant: "acme", Owner: "team", Limit: 3}
	seen := map[string]int{}
	for i := 0; ; i++ {
		page, err := l.List(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Tokens {
			seen[strings.TrimPrefix(r.Name, "Token ")]++
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
		nobody, d := "nobody", generated(6*i+1)
		d.Owner = "team"
		l.tell(&events.TokenUpdated{About: events.About{TokenID: page.Tokens[len(page.Tokens)-1].ID}, Owner: &nobody}, d)
	}
	for n := range 40 {
		if seen[fmt.Sprint(2*n)] != 1 {
			t.Errorf("token %d was listed %d times", 2*n, seen[fmt.Sprint(2*n)])
		}
	}
}

func TestListBoundsItsWork(t *testing.T) {
	l := newLedger(t)
	for n := range 25 {
		l.tell(generated(n))
	}
	l.LimitScan(10)
	q := tokens.Query{Tenant: "acme", Name: "token 24"}
	var calls, found int
	for {
		page, err := l.List(q)
		if err != nil {
			t.Fatal(err)
		}
		if page.Scanned > 10 {
			t.Errorf("a call looked at %d rows", page.Scanned)
		}
		calls++
		found += len(page.Tokens)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if calls != 3 || found != 1 {
		t.Errorf("%d calls found %d tokens", calls, found)
	}
}
