package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/events"
)

// dataByTags gives what encoding/json makes of the data by its fields' tags.
func dataByTags(t *testing.T, d events.Data) string {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

// dataOf gives the data of an encoded event.
func dataOf(t *testing.T, raw []byte) string {
	t.Helper()
	var envelope struct{ Data json.RawMessage }
	if err := json.Unmarshal(raw, &envelope); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return string(envelope.Data)
}

// The encoder is written by hand; the tags of the fields say what it has to write.
func TestDataIsWrittenAsItsTagsSay(t *testing.T) {
	all := samples()
	empty := about(tokenID)
	empty.Actor, empty.Origin = events.Actor{}, events.Origin{}
	odd := []string{
		"", " ", `a"b\c/d`, "\b\f\n\r\t", "\x00\x01\x1f\x7f", "<script>&amp;", "line\u2028end\u2029", "Süd 😀",
		"not UTF-8: \xff\xc3(\xe2\x80", "\ufffd", "\xed\xa0\x80", "\u0080",
	}
	for i, s := range odd {
		for _, d := range []events.Data{
			&events.TokenGenerated{About: empty, Name: s + "n", Site: s, Scopes: []string{s, s}, SHA256: events.Digest{31: 1}, Metadata: map[string]string{s: s, "b": "", "a": s}},
			&events.TokenUpdated{About: empty, Name: &odd[i], Metadata: &map[string]string{}},
			&events.TokenUpdated{About: empty, Owner: &odd[i]},
			&events.TokenSuspended{About: empty, Reason: s},
			&events.TokenRejected{Use: events.Use{Count: 1 << 63, FirstAt: at, LastAt: at.In(time.FixedZone("", 3600)), Node: "n" + s, JournalPos: 1}, Reason: "r" + s},
		} {
			e := samples()[0]
			e.Data = d
			all = append(all, e)
		}
	}
	for i, e := range all {
		t.Run(fmt.Sprintf("%d %s", i, e.Data.Type().Kind()), func(t *testing.T) {
			raw, err := events.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := dataOf(t, raw), dataByTags(t, e.Data); got != want {
				t.Errorf("the data is written as\n%s\nand its tags say\n%s", got, want)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, e := range samples()[:4] {
		b.Run(e.Data.Type().Kind(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := events.Encode(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("generated, by reflection", func(b *testing.B) {
		b.ReportAllocs()
		d := samples()[0].Data
		for b.Loop() {
			if _, err := json.Marshal(d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
