package tokens

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/events"
)

func drawTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" absent") {
		return time.Time{}
	}
	// Years 1 to 9999, which is what RFC 3339 can write.
	sec := rapid.Int64Range(-62135596800+1, 253402300799).Draw(t, label)
	return time.Unix(sec, rapid.Int64Range(0, 999_999_999).Draw(t, label+" ns")).UTC()
}

func drawID(t *rapid.T, label string) (id ulid.ULID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	return id
}

func drawToken(t *rapid.T) Token {
	text := rapid.String()
	tok := Token{
		ID: drawID(t, "id"), Tenant: text.Draw(t, "tenant"), Name: text.Draw(t, "name"), Site: text.Draw(t, "site"),
		Owner: text.Draw(t, "owner"), Scopes: rapid.SliceOf(text).Draw(t, "scopes"), Imported: rapid.Bool().Draw(t, "imported"),
		CreatedAt: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "created"), 5).UTC(), CreatedBy: drawID(t, "by"),
		CreatedSeq: rapid.Uint64().Draw(t, "created seq"), Seq: rapid.Uint64().Draw(t, "seq"),
		ExpiresAt: drawTime(t, "expires"), NotBefore: drawTime(t, "not before"), RevokedAt: drawTime(t, "revoked"),
		RotatedFrom: drawID(t, "from"), RotatedTo: drawID(t, "to"),
		Metadata: rapid.MapOf(text, text).Draw(t, "metadata"),
	}
	copy(tok.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	if !tok.RevokedAt.IsZero() {
		tok.RevokedBy, tok.RevokeReason, tok.ReasonCode = drawID(t, "revoker"), text.Draw(t, "reason"), events.ReasonUnused
	}
	if tok.Suspended = rapid.Bool().Draw(t, "suspended"); tok.Suspended {
		tok.SuspendedAt, tok.SuspendReason = time.Unix(1, 2).UTC(), text.Draw(t, "why")
	}
	if rapid.Bool().Draw(t, "session") {
		tok.Person = events.Person{Issuer: "https://" + text.Draw(t, "issuer"), Subject: text.Draw(t, "subject"), Name: text.Draw(t, "person")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "networks") {
		tok.AllowedCIDRs = append(tok.AllowedCIDRs, rapid.SampledFrom([]netip.Prefix{
			netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:1.2.3.4/128"), {},
		}).Draw(t, "network"))
	}
	return tok
}

var sameToken = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func TestRowComesBackAsItWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawToken(t)
		row, head := appendToken(nil, &want)
		var got Token
		if err := decodeToken(want.ID, string(row), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameToken); diff != "" {
			t.Fatal(diff)
		}
		for _, part := range []string{string(row), string(row[:head])} {
			c, n, err := decodeCredential(want.ID, part)
			if err != nil || n != head {
				t.Fatalf("the head has %d bytes, not %d: %v", n, head, err)
			}
			if diff := cmp.Diff(want.Credential(), c, sameToken); diff != "" {
				t.Fatal(diff)
			}
		}
		cut := rapid.IntRange(0, len(row)-1).Draw(t, "cut")
		if err := decodeToken(want.ID, string(row[:cut]), &got); err == nil {
			t.Fatalf("a row of %d bytes is read from %d of them", len(row), cut)
		}
	})
}

func TestUsageComesBackAsItWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Usage{UseCount: rapid.Uint64().Draw(t, "count"), LastUsedAt: drawTime(t, "last"), LastUsedIP: rapid.String().Draw(t, "ip")}
		got, err := decodeUsage(appendUsage(nil, &want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Pebble joins operands in any grouping.
func TestUsageMergeIsAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows [3][]byte
		for i := range rows {
			u := Usage{UseCount: rapid.Uint64Range(0, 9).Draw(t, "count"), LastUsedAt: time.Unix(rapid.Int64Range(0, 2).Draw(t, "last"), 0).UTC(), LastUsedIP: rapid.String().Draw(t, "ip")}
			rows[i] = appendUsage(nil, &u)
		}
		merge := func(older, newer []byte) []byte {
			out, err := new(Projection).MergeValues(nil, older, newer)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		left, right := merge(merge(rows[0], rows[1]), rows[2]), merge(rows[0], merge(rows[1], rows[2]))
		if string(left) != string(right) {
			t.Fatalf("(a b) c gives %q, a (b c) gives %q", left, right)
		}
	})
}

func FuzzDecodeToken(f *testing.F) {
	full := Token{
		Name: "n", Site: "s", Owner: "o", Scopes: []string{"a", "b"}, RevokedAt: time.Unix(1, 1), ExpiresAt: time.Unix(2, 0),
		Suspended: true, Metadata: map[string]string{"k": "v"}, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	row, head := appendToken(nil, &full)
	f.Add(row)
	f.Add(row[:head])
	row, _ = appendToken(nil, &Token{})
	f.Add(row)
	row, _ = appendToken(nil, &Token{Person: events.Person{Issuer: "https://id.example", Subject: "s"}})
	f.Add(row)
	f.Add([]byte{rowVersion + 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var tok Token
		err := decodeToken(ulid.ULID{}, string(b), &tok)
		c, _, cerr := decodeCredential(ulid.ULID{}, string(b))
		if err == nil {
			if cerr != nil {
				t.Fatalf("a row is read whole, and its head gives %v", cerr)
			}
			if diff := cmp.Diff(tok.Credential(), c, sameToken); diff != "" {
				t.Fatal(diff)
			}
		}
		_, _ = decodeUsage(b)
		_, _ = (&Query{Tenant: "t", Cursor: string(b)}).position(idSize)
	})
}
