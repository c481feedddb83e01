package tokens_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

func TestByHashes(t *testing.T) {
	l := newLedger(t)
	l.tell(generated(1), generated(2), revoked(2, at(3)))
	hash := func(n int) events.Digest {
		t.Helper()
		tok, ok, err := l.Token(id(n))
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return tok.Hash
	}
	tok, _, _ := l.Token(id(1))
	unknown := events.Digest{1, 2, 3}
	for _, tc := range []struct {
		name, tenant string
		asked        []events.Digest
		want         map[events.Digest]ulid.ULID
	}{
		{"all tenants", "", []events.Digest{hash(2), unknown, hash(1)}, map[events.Digest]ulid.ULID{hash(1): id(1), hash(2): id(2)}},
		{"its tenant", tok.Tenant, []events.Digest{hash(1)}, map[events.Digest]ulid.ULID{hash(1): id(1)}},
		{"another tenant", "elsewhere", []events.Digest{hash(1), hash(2)}, map[events.Digest]ulid.ULID{}},
		{"none", "", nil, map[events.Digest]ulid.ULID{}},
	} {
		got, err := l.ByHashes(t.Context(), tc.tenant, tc.asked)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", tc.name, err, diff)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.ByHashes(ctx, "", []events.Digest{unknown}); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
}

// More tokens than one part of the look takes.
func TestByHashesFindsTheLastOfMany(t *testing.T) {
	const many = 1<<14 + 5
	l := newLedger(t)
	var all []events.Data
	for n := range many {
		all = append(all, generated(n+1))
	}
	l.tell(all...)
	want := map[events.Digest]ulid.ULID{}
	var asked []events.Digest
	for _, n := range []int{1, 1 << 14, 1<<14 + 1, many} {
		tok, ok, err := l.Token(id(n))
		if err != nil || !ok {
			t.Fatal(n, ok, err)
		}
		want[tok.Hash] = tok.ID
		asked = append(asked, tok.Hash)
	}
	got, err := l.ByHashes(t.Context(), "", asked)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestAReportOfALeakIsInTheStoryAndChangesNothing(t *testing.T) {
	l := newLedger(t)
	l.tell(generated(1))
	before, _, _ := l.Token(id(1))
	l.tell(&events.TokenLeaked{About: about(1), Source: "commit", Action: events.LeakNone})
	after, _, err := l.Token(id(1))
	if diff := cmp.Diff(before, after); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if seqs, err := l.Changes(id(1), 9); err != nil || len(seqs) != 2 {
		t.Errorf("the story has %v, %v", seqs, err)
	}
	for _, p := range l.runner.Status() {
		if p.Unknown != 0 {
			t.Errorf("%s does not know the type", p.Name)
		}
	}
}
