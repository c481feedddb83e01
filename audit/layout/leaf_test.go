package layout_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/audit/layout"
)

var good = layout.Leaf{Seq: 17, Received: time.Date(2026, 3, 2, 10, 14, 3, 120, time.UTC), Subject: "ledger.acme.revoked", Event: []byte(`{"a":1}`)}

const goodBytes = `{"seq":17,"received":"2026-03-02T10:14:03.000000120Z","subject":"ledger.acme.revoked","event":{"a":1}}`

func TestALeafIsWrittenInOneWay(t *testing.T) {
	b, err := layout.AppendLeaf(nil, good)
	if err != nil || string(b) != goodBytes {
		t.Fatalf("%s, %v", b, err)
	}
	// The zone of the clock that gave the time makes no difference.
	elsewhere := good
	elsewhere.Received = good.Received.In(time.FixedZone("", 3600))
	if b, err := layout.AppendLeaf(nil, elsewhere); err != nil || string(b) != goodBytes {
		t.Errorf("%s, %v", b, err)
	}
}

func TestWhatIsNoLeafIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(l *layout.Leaf){
		"a quote in the subject":  func(l *layout.Leaf) { l.Subject = `ledger.a"b.revoked` },
		"no subject":              func(l *layout.Leaf) { l.Subject = "" },
		"a subject in other text": func(l *layout.Leaf) { l.Subject = "ledger.ä.revoked" },
		"no time":                 func(l *layout.Leaf) { l.Received = time.Time{} },
		"a year of five digits":   func(l *layout.Leaf) { l.Received = l.Received.AddDate(9000, 0, 0) },
		"too much":                func(l *layout.Leaf) { l.Event = bytes.Repeat([]byte("x"), layout.MaxLeaf) },
	} {
		l := good
		spoil(&l)
		if b, err := layout.AppendLeaf(nil, l); err == nil {
			t.Errorf("%s: written as %.200s", name, b)
		}
	}
	for _, other := range []string{
		"", "{}", strings.Replace(goodBytes, "17", "017", 1), strings.Replace(goodBytes, "17", "", 1), strings.Replace(goodBytes, "17", "99999999999999999999", 1),
		strings.Replace(goodBytes, "000000120", "00000012", 1), strings.Replace(goodBytes, "03.0", "03,0", 1), strings.Replace(goodBytes, "120Z", "12+0", 1),
		strings.Replace(goodBytes, "T10", "t10", 1), strings.Replace(goodBytes, "T10", " 10", 1), strings.Replace(goodBytes, "03-02", "02-30", 1),
		strings.Replace(goodBytes, "2026", "1969", 1), strings.Replace(goodBytes, ",", ", ", 1), goodBytes + " ", goodBytes[1:],
		strings.Replace(goodBytes, `{"a":1}`, "", 1),
	} {
		if l, err := layout.ParseLeaf([]byte(other)); err == nil {
			t.Errorf("%q was read as %+v", other, l)
		}
	}
}

// FuzzParseLeaf: what is read is written back to the same bytes.
func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte(goodBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := layout.ParseLeaf(b)
		if err != nil || len(b) > layout.MaxLeaf {
			return
		}
		if again, err := layout.AppendLeaf(nil, l); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q was read as %+v and is written as %q (%v)", b, l, again, err)
		}
	})
}
