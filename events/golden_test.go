package events_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// addGolden writes the golden file of a type that has none yet. It never changes
// one that is there: what is in the field is in the field.
var addGolden = flag.Bool("add-golden", false, "write missing golden files")

var (
	tokenID  = ulid.MustParse("01JDA0V6Q3Y8N5K2M7R4T1W9XZ")
	otherID  = ulid.MustParse("01JDA0V6Q3Y8N5K2M7R4T1W9Y0")
	actorID  = ulid.MustParse("01JDA0TZZZZZZZZZZZZZZZZZZZ")
	eventID  = ulid.MustParse("01JDA0V6QE0000000000000001")
	ledgerID = ulid.MustParse("01JDA0T0000000000000000000")
	at       = time.Date(2026, 11, 23, 16, 4, 5, 678e6, time.UTC)
)

func about(token ulid.ULID) events.About {
	return events.About{
		TokenID: token,
		Actor:   events.Actor{Type: "token", ID: actorID.String(), Name: "deploy <ci> & co", TokenID: actorID},
		Origin:  events.Origin{IP: "192.0.2.7", UserAgent: "curl/8.5", RequestID: "01JDA0V6QD0000000000000000"},
	}
}

func use() events.Use {
	return events.Use{
		About: about(tokenID), Count: 3, FirstAt: at.Add(-time.Second), LastAt: at, IP: "198.51.100.4", UserAgent: "WooCommerce/9.1",
		Site: "shop.example", Resource: "GET /orders", Scopes: []string{"orders:read"}, Node: "01jda0t", JournalPos: 42,
	}
}

func ptr[T any](v T) *T { return &v }

// samples has one event of each type, with every field set.
func samples() []events.Event {
	data := []events.Data{
		&events.TokenGenerated{
			About: about(tokenID), Name: "Bestellungen – Süd", Site: "shop.example", Owner: "ops@example.com", Scopes: []string{"orders:read", "orders:write"},
			SHA256: events.Digest{0: 0xab, 31: 0xcd}, ExpiresAt: at.AddDate(1, 0, 0), NotBefore: at.Add(time.Hour),
			AllowedCIDRs: []string{"192.0.2.0/24", "2001:db8::/32"}, Metadata: map[string]string{"team": "south", "cost": "7"}, RotatedFrom: otherID, Imported: true,
		},
		&events.TokenRevoked{About: about(tokenID), EffectiveAt: at, ReasonCode: events.ReasonLeaked, Reason: `found in a "public" repository`},
		&events.TokenUsed{Use: use()},
		&events.TokenRejected{Use: use(), Reason: "revoked"},
		&events.TokenUpdated{About: about(tokenID), Name: ptr("orders"), Owner: ptr(""), Metadata: &map[string]string{"team": "north"}},
		&events.TokenSuspended{About: about(tokenID), Reason: "on holiday"},
		&events.TokenResumed{About: about(tokenID), Reason: "back"},
		&events.TokenLeaked{
			About: about(tokenID), Source: "commit", URL: "https://git.example/shop/blob/1a2b3c/deploy.sh#L7", Note: `in a "public" repository`,
			SecretType: "tokenledger_api_token", ReportedBy: "key bcb53661", Presented: true, Action: events.LeakNone, Reason: "last_root",
		},
		&events.LedgerCreated{About: about(ulid.ULID{}), LedgerID: ledgerID, LogOrigin: "tokenledger/01jda0t", PublicKey: "tokenledger/01jda0t+0123abcd+AQID"},
		&events.AuditRead{About: about(ulid.ULID{}), Query: "kind=revoked since=2026-01-01T00:00:00Z"},
	}
	var all []events.Event
	for _, d := range data {
		e := events.Event{
			ID: eventID, Source: "/tokenledger/01jda0t", Time: at, Tenant: "acme", Data: d,
			Idempotency: events.Idempotency{Key: strings.Repeat("0a", 32), Request: strings.Repeat("0b", 32)},
		}
		if kind := d.Type().Kind(); kind != "created" && kind != "read" {
			e.Subject = tokenID.String()
		}
		all = append(all, e)
	}
	return all
}

func goldenFile(typ events.Type) string {
	return filepath.Join("testdata", "golden", string(typ)+".json")
}

// A golden file is what the ledger has written since that type exists. It has to
// decode to the same fact, and the same fact has to encode to the same bytes.
func TestGoldenFiles(t *testing.T) {
	for _, e := range samples() {
		typ := e.Data.Type()
		t.Run(string(typ), func(t *testing.T) {
			encoded, err := events.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			path := goldenFile(typ)
			golden, err := os.ReadFile(path)
			if os.IsNotExist(err) && *addGolden {
				golden = append(bytes.Clone(encoded), '\n')
				err = os.WriteFile(path, golden, 0o644)
			}
			if err != nil {
				t.Fatalf("%v (run with -add-golden for a new type)", err)
			}
			golden = bytes.TrimSuffix(golden, []byte("\n"))
			if diff := cmp.Diff(string(golden), string(encoded)); diff != "" {
				t.Errorf("the type is encoded otherwise than it was (-golden +now):\n%s", diff)
			}
			decoded, err := events.Decode(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, decoded); diff != "" {
				t.Errorf("the golden file decodes otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryTypeHasASampleAndEveryGoldenFileAType(t *testing.T) {
	want := map[events.Type]bool{}
	for _, typ := range events.Types() {
		want[typ] = true
	}
	for _, e := range samples() {
		delete(want, e.Data.Type())
	}
	if len(want) > 0 {
		t.Errorf("types without a sample: %v", want)
	}
	files, err := filepath.Glob(goldenFile("*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < len(events.Types()) {
		t.Errorf("%d golden files for %d types", len(files), len(events.Types()))
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.Decode(raw)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if _, unknown := e.Data.(*events.Unknown); unknown {
			t.Errorf("%s: the registry has lost this type", f)
		}
	}
}
