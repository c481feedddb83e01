package httpapi

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

// cut gives the lines of a body as an import sees them; nil for one that is too long.
func cut(t *testing.T, body io.Reader) (lines [][]byte) {
	t.Helper()
	b := newImportBody(body, func(time.Time) error { return nil }, maxImport)
	for {
		c := b.next()
		for line := range bytes.Lines(c.lines) {
			if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > maxImportLine {
				line = nil
			}
			lines = append(lines, bytes.Clone(line))
		}
		if c.long {
			lines = append(lines, nil)
		}
		if errors.Is(c.err, io.EOF) {
			return lines
		}
		if c.err != nil {
			t.Fatal(c.err)
		}
		b.done(c)
	}
}

// wantLines is cut by the plain rule: what lies between line breaks.
func wantLines(body []byte) (lines [][]byte) {
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > maxImportLine {
			line = nil
		}
		lines = append(lines, line)
	}
	return lines
}

func sameLines(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) || len(a[i]) == 0 && len(b[i]) != 0 {
			return false
		}
	}
	return true
}

func TestLinesOfAnImportAreCutWhereverTheReadsEnd(t *testing.T) {
	long := strings.Repeat("x", maxImportLine)
	for _, body := range []string{
		"", "\n", "a", "a\n", "a\n\nb", long + "\n" + long, long + "x\nb\n" + long + "xx", strings.Repeat(long, 5) + "\nb", "a\n" + strings.Repeat(long, 3),
		strings.Repeat("a line\n", 50_000),
	} {
		want := wantLines([]byte(body))
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(body), "halves": iotest.HalfReader(strings.NewReader(body)), "with the end": iotest.DataErrReader(strings.NewReader(body)),
		} {
			if got := cut(t, r); !sameLines(got, want) {
				t.Errorf("%.20q of %d bytes, read %s: %d lines, want %d", body, len(body), name, len(got), len(want))
			}
		}
	}
}

func TestABodyThatBreaksOffGivesNoHalfALine(t *testing.T) {
	b := newImportBody(io.MultiReader(strings.NewReader("a\nhalf"), iotest.ErrReader(io.ErrUnexpectedEOF)), func(time.Time) error { return nil }, maxImport)
	if c := b.next(); string(c.lines) != "a\n" || c.err != nil {
		t.Errorf("%q, %v", c.lines, c.err)
	}
	c := b.next()
	if e, ok := errors.AsType[*commands.Error](c.err); len(c.lines) > 0 || !ok || e.Code != "body_unreadable" {
		t.Errorf("%q, %v", c.lines, c.err)
	}
}

func TestABodyIsBoundedWhateverItHolds(t *testing.T) {
	b := newImportBody(strings.NewReader(strings.Repeat("\n", 1000)), func(time.Time) error { return nil }, 999)
	if e, ok := errors.AsType[*commands.Error](b.next().err); !ok || e.Code != "body_too_large" {
		t.Errorf("%v", e)
	}
}

func FuzzImportBody(f *testing.F) {
	f.Add([]byte("a\n\r\n\nb"), 3)
	f.Add(bytes.Repeat([]byte("x"), maxImportLine+9), 9000)
	f.Fuzz(func(t *testing.T, body []byte, most int) {
		if got, want := cut(t, &shortReader{bytes.NewReader(body), 1 + max(most, -most, 0)%chunkSize}), wantLines(body); !sameLines(got, want) {
			t.Errorf("%d lines, want %d", len(got), len(want))
		}
	})
}

// shortReader gives so many bytes at once, at the most.
type shortReader struct {
	r    io.Reader
	most int
}

func (s *shortReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), max(s.most, 1))]) }

func FuzzImportLine(f *testing.F) {
	f.Add([]byte(`{"sha256":"` + strings.Repeat("ab", 32) + `","name":"x","ttl":"90d","scopes":["a"],"metadata":{"k":"v"}}`))
	f.Add([]byte(`{"sha256":null,"expires_at":"0001-01-01T00:00:00Z"}`))
	f.Add([]byte("\xff{}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		cmd, err := importLine(line)
		if err != nil {
			e, ok := errors.AsType[*commands.Error](err)
			if !ok || e.Code == "" || e.Detail == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			if r := failed(1, err); r.Status != "failed" || r.Code != e.Code {
				t.Fatalf("%+v", r)
			}
			return
		}
		if cmd.Refused != nil || cmd.TTL < 0 {
			t.Fatalf("%+v", cmd)
		}
	})
}

func FuzzValidateBatch(f *testing.F) {
	f.Add([]byte(`{"tokens":[{"token":"tl_x","scopes":["a"],"client_ip":"192.0.2.7"}],"min_seq":7}`))
	f.Add([]byte(`{"tokens":[{"client_ip":"fe80::1%eth0"}]}`))
	f.Add([]byte(`{"tokens":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		cmds, _, err := batchOf(body)
		if err == nil {
			err = commands.CheckMany(cmds)
		}
		if err != nil {
			if e, ok := errors.AsType[*commands.Error](err); !ok || e.Code == "" || e.Detail == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if len(cmds) == 0 || len(cmds) > commands.MaxValidations {
			t.Fatalf("%d validations", len(cmds))
		}
		for _, cmd := range cmds {
			if cmd.ClientIP.Zone() != "" {
				t.Fatalf("%+v", cmd)
			}
		}
	})
}
