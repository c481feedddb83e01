package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever an event ends with, or has in a place of one of its bytes, is an error or an
// event: the bytes come from a stream that others may be able to publish to.
func TestBrokenEventsAreErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range raw {
			for _, end := range []string{"", `\`, `"`, "\xff"} {
				broken := append(raw[:cut:cut], end...)
				if _, err := Decode(broken); err == nil && strings.TrimSpace(string(raw[cut:])) != "" {
					t.Errorf("%s: the first %d bytes and %q are an event", file, cut, end)
				}
				_, _ = Decode(append(broken, raw[min(len(raw), cut+len(end)):]...))
			}
		}
	}
}

// A string is what encoding/json takes it for, whatever stands where in it.
func TestStringsAreThoseOfJSON(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("x", length))
				text[at] = byte(c)
				quoted := append(append([]byte{'"'}, text...), '"')
				r := &reader{buf: append(quoted, `,"more"`...)}
				got, err := r.bytes()
				var want string
				wantErr := json.Unmarshal(quoted, &want)
				switch {
				case c == '"':
					if err != nil || string(got) != string(text[:at]) {
						t.Errorf("%q: %q, %v", quoted, got, err)
					}
				case c >= 0x80: // encoding/json puts another character in its place
					if err == nil {
						t.Errorf("%q is no UTF-8", quoted)
					}
				case c == '\\' && at == length-1: // the quote is escaped, and the next one ends it
					if err != nil || string(got) != string(text[:at])+`",` {
						t.Errorf("%q: %q, %v", quoted, got, err)
					}
				case (err == nil) != (wantErr == nil) || err == nil && string(got) != want:
					t.Errorf("%q: %q, %v; want %q, %v", quoted, got, err, want, wantErr)
				}
			}
		}
	}
}
