package events_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

const minimal = `{"specversion":"1.0","id":"01JDA0V6QE0000000000000001","source":"/tokenledger/n","type":"tokenledger.token.revoked.v1",` +
	`"time":"2026-11-23T16:04:05Z","tenant":"acme","data":{"token_id":"01JDA0V6Q3Y8N5K2M7R4T1W9XZ","effective_at":"2026-11-23T16:04:05Z"}}`

func TestBadInputNamesTheField(t *testing.T) {
	for _, tc := range []struct{ name, field, from, to string }{
		{"not an object", "", minimal, `[]`},
		{"empty", "", minimal, ``},
		{"cut short", "", `}}`, `}`},
		{"more behind it", "", `}}`, `}} {}`},
		{"no spec version", "specversion", `"specversion":"1.0",`, ``},
		{"other spec version", "specversion", `"1.0"`, `"0.3"`},
		{"no id", "id", `"id":"01JDA0V6QE0000000000000001",`, ``},
		{"bad id", "id", `QE0000000000000001"`, `QE000000000000000U"`},
		{"lower-case id", "id", `01JDA0V6QE`, `01jda0v6qe`},
		{"id that overflows", "id", `01JDA0V6QE`, `81JDA0V6QE`},
		{"no source", "source", `"source":"/tokenledger/n",`, ``},
		{"no type", "type", `"type":"tokenledger.token.revoked.v1",`, ``},
		{"type of the wrong type", "type", `"tokenledger.token.revoked.v1"`, `7`},
		{"bad time", "time", `"time":"2026-11-23T16:04:05Z"`, `"time":"yesterday"`},
		{"no tenant", "tenant", `"tenant":"acme",`, ``},
		{"bad tenant", "tenant", `"acme"`, `"Acme.*"`},
		{"other content type", "datacontenttype", `"tenant"`, `"datacontenttype":"text/xml","tenant"`},
		{"a field twice", "tenant", `"tenant":"acme"`, `"tenant":"acme","tenant":"other"`},
		{"no data", "data.effective_at", `,"data":{"token_id":"01JDA0V6Q3Y8N5K2M7R4T1W9XZ","effective_at":"2026-11-23T16:04:05Z"}`, ``},
		{"data that is no object", "data", `"data":{`, `"data":7,"x":{`},
		{"no token", "data.token_id", `"token_id":"01JDA0V6Q3Y8N5K2M7R4T1W9XZ",`, ``},
		{"bad token", "data.token_id", `T1W9XZ"`, `T1W9X"`},
		{"actor that is no object", "data.actor", `"effective_at"`, `"actor":"me","effective_at"`},
		{"bad id of the actor's token", "data.actor.token_id", `"effective_at"`, `"actor":{"token_id":"x"},"effective_at"`},
		{"control character", "data.reason", `"effective_at"`, "\"reason\":\"a\nb\",\"effective_at\""},
		{"not UTF-8", "data.reason", `"effective_at"`, "\"reason\":\"\xff\",\"effective_at\""},
		{"not JSON in a field nobody knows", "data.new", `"effective_at"`, `"new":tru,"effective_at"`},
		{"nested too deep", "data.new", `"effective_at"`, `"new":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"effective_at"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := strings.Replace(minimal, tc.from, tc.to, 1)
			if raw == minimal {
				t.Fatal("the case changes nothing")
			}
			e, err := events.Decode([]byte(raw))
			fe, ok := errors.AsType[*events.FieldError](err)
			if !ok {
				t.Fatalf("Decode(%s) = %+v, %v; want a FieldError", raw, e, err)
			}
			if fe.Field != tc.field && !strings.HasPrefix(fe.Field, tc.field+".") {
				t.Errorf("the error names %q, want %q: %v", fe.Field, tc.field, err)
			}
		})
	}
}

func TestFieldsInAnyOrder(t *testing.T) {
	want, err := events.Decode([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(minimal), &fields); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.MarshalIndent(fields, "\t", "  ") // by name: data comes before type
	if err != nil {
		t.Fatal(err)
	}
	got, err := events.Decode(sorted)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownTypesAndVersionsAreKept(t *testing.T) {
	for _, typ := range []events.Type{"tokenledger.token.revoked.v2", "tokenledger.webhook.created.v1", "com.example.odd"} {
		raw := strings.Replace(minimal, "tokenledger.token.revoked.v1", string(typ), 1)
		e, err := events.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		u, ok := e.Data.(*events.Unknown)
		if !ok || u.Type() != typ {
			t.Fatalf("%s decoded to %T", typ, e.Data)
		}
		if want := `{"token_id":"01JDA0V6Q3Y8N5K2M7R4T1W9XZ","effective_at":"2026-11-23T16:04:05Z"}`; string(u.Raw) != want {
			t.Errorf("%s: data is %s, want %s", typ, u.Raw, want)
		}
		passedOn, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := events.Decode(passedOn)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Error(diff)
		}
	}
}

func TestKind(t *testing.T) {
	for typ, want := range map[events.Type]string{
		events.TypeTokenGenerated: "generated", events.TypeLedgerCreated: "created", events.TypeAuditRead: "read",
		"tokenledger.token.revoked.v12": "revoked", "com.example.vat": "vat", "plain": "plain", "v1": "v1",
	} {
		if got := typ.Kind(); got != want {
			t.Errorf("%s: kind %q, want %q", typ, got, want)
		}
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	good := samples()[0]
	for name, spoil := range map[string]func(*events.Event){
		"no id":      func(e *events.Event) { e.ID = ulid.ULID{} },
		"no tenant":  func(e *events.Event) { e.Tenant = "" },
		"bad tenant": func(e *events.Event) { e.Tenant = "a.b" },
		"no data":    func(e *events.Event) { e.Data = nil },
		"no hash":    func(e *events.Event) { e.Data = &events.TokenGenerated{About: about(tokenID), Name: "x"} },
		"no count":   func(e *events.Event) { e.Data = &events.TokenUsed{} },
		"a year of five digits": func(e *events.Event) {
			e.Data = &events.TokenRevoked{About: about(tokenID), EffectiveAt: at.AddDate(9000, 0, 0)}
		},
		"data that is no JSON": func(e *events.Event) { e.Data = &events.Unknown{Name: "x.y.v1", Raw: []byte("{")} },
		"too large": func(e *events.Event) {
			e.Data = &events.TokenSuspended{About: about(tokenID), Reason: strings.Repeat("x", events.MaxSize)}
		},
	} {
		e := good
		spoil(&e)
		if raw, err := events.Encode(e); err == nil {
			t.Errorf("%s: encoded to %s", name, raw)
		}
	}
}

// FuzzDecode holds the decoder against encoding/json: it must not panic, must
// take no more than encoding/json takes, and what it takes must encode and decode
// to the same event.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(goldenFile("*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(minimal))
	f.Add([]byte(`{"data":{"a":[1,2,{"b":null}],"c":"\u00e9\ud83d\ude00\\"},"type":"x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := events.Decode(raw)
		if err != nil {
			if _, ok := errors.AsType[*events.FieldError](err); !ok {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("took what is no JSON: %q", raw)
		}
		var plain struct {
			ID     string `json:"id"`
			Tenant string `json:"tenant"`
			Type   string `json:"type"`
		}
		if err := json.Unmarshal(raw, &plain); err == nil && plain.ID != e.ID.String() {
			// encoding/json matches names whatever their case; ours are exact.
			if !strings.Contains(strings.ToLower(string(raw)), `"id"`) {
				t.Fatalf("id %s, encoding/json reads %s", e.ID, plain.ID)
			}
		}
		encoded, err := events.Encode(e)
		if err != nil {
			if len(raw) > events.MaxSize/8 || e.Time.Year() > 9999 {
				return
			}
			t.Fatalf("cannot encode what was decoded: %v", err)
		}
		if _, unknown := e.Data.(*events.Unknown); !unknown {
			if got, want := dataOf(t, encoded), dataByTags(t, e.Data); got != want {
				t.Fatalf("the data is written as\n%s\nand its tags say\n%s", got, want)
			}
		}
		again, err := events.Decode(encoded)
		if err != nil {
			t.Fatalf("cannot decode %s: %v", encoded, err)
		}
		reencoded, err := events.Encode(again)
		if err != nil || string(reencoded) != string(encoded) {
			t.Fatalf("encodes to %s, then to %s (%v)", encoded, reencoded, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, e := range samples()[:4] {
		raw, err := events.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(e.Data.Type().Kind(), func(b *testing.B) {
			var d events.Decoder
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := d.Decode(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
