package tokens_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func TestStatusFollowsTheOrderOfValidation(t *testing.T) {
	now := epoch
	past, ahead := now.Add(-time.Second), now.Add(time.Second)
	for _, c := range []struct {
		name string
		tok  tokens.Token
		want tokens.Status
	}{
		{"nothing set", tokens.Token{}, tokens.StatusActive},
		{"revoked before all else", tokens.Token{RevokedAt: past, ExpiresAt: past, NotBefore: ahead, Suspended: true}, tokens.StatusRevoked},
		{"revoked at this instant", tokens.Token{RevokedAt: now}, tokens.StatusRevoked},
		{"revoked after a grace", tokens.Token{RevokedAt: ahead}, tokens.StatusActive},
		{"expired before pending", tokens.Token{ExpiresAt: past, NotBefore: ahead, Suspended: true}, tokens.StatusExpired},
		{"expired at this instant", tokens.Token{ExpiresAt: now}, tokens.StatusExpired},
		{"pending before suspended", tokens.Token{NotBefore: ahead, Suspended: true}, tokens.StatusPending},
		{"good from this instant", tokens.Token{NotBefore: now}, tokens.StatusActive},
		{"suspended", tokens.Token{NotBefore: past, ExpiresAt: ahead, Suspended: true}, tokens.StatusSuspended},
	} {
		cred := c.tok.Credential()
		if got := c.tok.Status(now); got != c.want || cred.Status(now) != got {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestEarliestRevocationHolds(t *testing.T) {
	l := newLedger(t)
	first, same, earlier := revoked(1, at(90)), revoked(1, at(90)), revoked(1, at(50))
	same.Reason, earlier.Reason = "the same end, later said", "an earlier end"
	l.tell(generated(1), first, same)
	if tok := l.token(1); tok.RevokeReason != "seen in a log" || tok.Seq != 2 || !tok.RevokedAt.Equal(at(90)) {
		t.Errorf("of two revocations with one end the second holds: %+v", tok)
	}
	l.tell(revoked(1, at(100)), earlier)
	if tok := l.token(1); tok.RevokeReason != "an earlier end" || tok.Seq != 5 || !tok.RevokedAt.Equal(at(50)) {
		t.Errorf("the earliest end does not hold: %+v", tok)
	}
}

func TestSecondGenerationChangesNothing(t *testing.T) {
	l := newLedger(t)
	l.tell(generated(1), revoked(1, at(1)))
	before := l.token(1)
	again := generated(1)
	again.Name = "another"
	l.tell(again)
	if diff := cmp.Diff(before, l.token(1)); diff != "" {
		t.Error(diff)
	}
	l.restart()
	l.tell(again)
	if diff := cmp.Diff(before, l.token(1)); diff != "" {
		t.Error(diff)
	}
}

func TestRotationTiesBothRecords(t *testing.T) {
	l := newLedger(t)
	next := generated(2)
	next.RotatedFrom = id(1)
	l.tell(generated(1), next, revoked(1, at(1)))
	if l.token(1).RotatedTo != id(2) || l.token(2).RotatedFrom != id(1) {
		t.Errorf("rotated to %v, from %v", l.token(1).RotatedTo, l.token(2).RotatedFrom)
	}
	if seqs, err := l.History(id(1), 0, 0); err != nil || !slices.Equal(seqs, []uint64{1, 2, 3}) {
		t.Errorf("the old token's history is %v, %v", seqs, err)
	}
}

func TestUnknownTokenHasHistoryAndNoRecord(t *testing.T) {
	l := newLedger(t)
	l.tell(revoked(7, at(1)), used(7, 1, at(1), "a", 1))
	if _, found, err := l.Token(id(7)); found || err != nil {
		t.Errorf("a record without a generated event: %v, %v", found, err)
	}
	if seqs, err := l.History(id(7), 0, 0); err != nil || !slices.Equal(seqs, []uint64{1, 2}) {
		t.Errorf("history is %v, %v", seqs, err)
	}
}

func TestUseIsCountedOncePerJournalEntry(t *testing.T) {
	l := newLedger(t)
	l.tell(generated(1), used(1, 3, at(10), "a", 5), used(1, 3, at(10), "a", 5), used(1, 1, at(9), "b", 5))
	l.restart()
	rejected := &events.TokenRejected{Use: used(1, 4, at(20), "a", 4).Use, Reason: "revoked"}
	l.tell(used(1, 3, at(10), "a", 5), rejected)
	rejected = &events.TokenRejected{Use: used(1, 4, at(20), "a", 6).Use, Reason: "revoked"}
	l.tell(rejected)
	u, err := l.Usage(id(1))
	want := tokens.Usage{UseCount: 4, LastUsedAt: at(10), LastUsedIP: "203.0.113.5"}
	if diff := cmp.Diff(want, u); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if seqs, err := l.History(id(1), 0, 0); err != nil || !slices.Equal(seqs, []uint64{1, 2, 4, 7}) {
		t.Errorf("history with repeats is %v, %v", seqs, err)
	}
	for node, want := range map[string]uint64{"a": 6, "b": 5, "c": 0} {
		if got, err := l.JournalPos(node); got != want || err != nil {
			t.Errorf("journal of node %s is at %d, not %d: %v", node, got, want, err)
		}
	}
}

// A token that is used all the time is counted in memory; the rows must say the same.
func TestBusyTokenIsCountedRight(t *testing.T) {
	l := newLedger(t)
	l.tell(generated(1))
	for i := range uint64(100) {
		l.tell(used(1, 2, at(i), "a", i+1))
		if i == 40 || i == 70 {
			l.restart()
		}
		if u, err := l.Usage(id(1)); err != nil || u.UseCount != 2*(i+1) || !u.LastUsedAt.Equal(at(i)) {
			t.Fatalf("after %d uses: %+v, %v", i+1, u, err)
		}
	}
}

func TestLedgerIsTheFirstOneCreated(t *testing.T) {
	l := newLedger(t)
	if _, found, err := l.Ledger(); found || err != nil {
		t.Errorf("an empty store knows a ledger: %v", err)
	}
	l.tell(&events.LedgerCreated{LedgerID: id(9), LogOrigin: "example.com/log", PublicKey: "key"})
	l.restart()
	l.tell(&events.LedgerCreated{LedgerID: id(10), LogOrigin: "other", PublicKey: "other"})
	got, found, err := l.Ledger()
	want := tokens.Ledger{ID: id(9), LogOrigin: "example.com/log", PublicKey: "key", Seq: 1}
	if !found || err != nil || got != want {
		t.Errorf("ledger is %+v, %v", got, err)
	}
}

func TestOtherRoot(t *testing.T) {
	l := newLedger(t)
	root := func(n int) *events.TokenGenerated {
		d := generated(n)
		d.Scopes = []string{tokens.ScopeRoot}
		return d
	}
	check := func(want bool) {
		t.Helper()
		if got, err := l.OtherRoot(id(1), at(100)); got != want || err != nil {
			t.Errorf("another root token: %v, %v", got, err)
		}
	}
	l.tell(generated(0), root(1))
	check(false)
	l.tell(root(2), root(3))
	check(true)
	l.tell(revoked(2, at(1)))
	check(true)
	l.tell(revoked(3, at(200)))
	check(false) // its end is near
	bound, brief := root(4), root(5)
	bound.AllowedCIDRs, brief.ExpiresAt = []string{"192.0.2.0/24"}, at(200)
	l.tell(bound, brief)
	check(false) // they cannot be counted on
	l.tell(root(6))
	check(true)
	l.tell(&events.TokenSuspended{About: about(6)})
	check(false)
}

func TestReaderTellsThatTheStoreIsGone(t *testing.T) {
	p := tokens.New(tokens.Config{CacheBytes: 1 << 20})
	if _, _, err := p.Reader().Credential(id(1)); !errors.Is(err, tokens.ErrNotOpen) {
		t.Errorf("a projection that is not open gives %v", err)
	}
	l := newLedger(t)
	l.tell(generated(1))
	if _, found, err := l.Credential(id(1)); !found || err != nil {
		t.Fatal(found, err)
	}
	l.close()
	_, _, cred := l.Credential(id(1)) // was in the cache
	_, _, tok := l.Token(id(1))
	_, list := l.List(tokens.Query{Tenant: "acme"})
	_, history := l.History(id(1), 0, 0)
	_, root := l.OtherRoot(id(1), epoch)
	warm := l.Warm(t.Context())
	for i, err := range []error{cred, tok, list, history, root, warm} {
		if !errors.Is(err, projections.ErrClosed) {
			t.Errorf("read %d of a closed store gives %v", i, err)
		}
	}
}

func TestWarmFindsEveryToken(t *testing.T) {
	l := newLedger(t)
	for n := range 200 {
		l.tell(generated(n))
	}
	l.restart()
	if err := l.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if c, found, err := l.Credential(id(n)); err != nil || !found || c.Name != fmt.Sprint("Token ", n) {
			t.Errorf("token %d: %+v, %v, %v", n, c, found, err)
		}
	}
}

// Readers and a warm-up run beside revocations. Once the runner says that a
// revocation is applied, nobody may find the token unrevoked.
func TestNoReadOutlivesARevocation(t *testing.T) {
	l := newLedger(t)
	const n = 300
	var made []events.Data
	for i := range n {
		made = append(made, generated(i))
	}
	l.tell(made...)
	base := l.seq // token i is revoked by the event at base+1+i

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			for i := reader; ; i = (i + 7) % n {
				select {
				case <-stop:
					return
				default:
				}
				if i%50 == 0 && reader == 0 {
					if err := l.Warm(t.Context()); err != nil {
						t.Error(err)
					}
				}
				applied := l.runner.Applied()
				c, found, err := l.Credential(id(i))
				if err != nil || !found {
					t.Errorf("token %d: %v, %v", i, found, err)
					return
				}
				if applied >= base+1+uint64(i) && c.RevokedAt.IsZero() {
					t.Errorf("token %d is found good at %d, and was revoked at %d", i, applied, base+1+uint64(i))
					return
				}
			}
		})
	}
	for i := range n {
		l.tell(revoked(i, epoch))
	}
	close(stop)
	wg.Wait()
}
