package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// clean spells out what a terminal would act on instead of show: control
// characters, and the invisible ones that turn or hide text. Names come from other
// people.
func clean(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }

// cleanJSON does to JSON what clean does to text, and leaves its meaning as it is:
// such characters stand in strings alone, where an escape says the same.
func cleanJSON(doc []byte) []byte {
	if bytes.IndexFunc(doc, hidden) < 0 {
		return doc
	}
	out := make([]byte, 0, len(doc)+16)
	for _, r := range string(doc) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// print writes text for people to standard output.
func (m *Main) print(text string) error {
	_, err := io.WriteString(m.Stdout, text)
	return doing("cannot write to standard output", err)
}

// printJSON writes v as JSON on a line of its own to standard output.
func (m *Main) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // an event's bytes stay as they are
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("cannot encode the answer: %w", err)
	}
	doc := bytes.TrimRight(b.Bytes(), "\n")
	if _, ok := terminal(m.Stdout); ok {
		doc = cleanJSON(doc)
	}
	_, err := m.Stdout.Write(append(doc, '\n'))
	return doing("cannot write to standard output", err)
}

// terminal gives the descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// table lines up rows of cells for people.
type table struct {
	b bytes.Buffer
	w *tabwriter.Writer
}

func newTable(head ...string) *table {
	t := &table{}
	t.w = tabwriter.NewWriter(&t.b, 0, 8, 2, ' ', 0)
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

// row adds a row. An empty cell shows as "-".
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, clean(cell))
	}
	fmt.Fprintln(t.w)
}

// field adds a name and its value, or nothing where there is no value.
func (t *table) field(name, value string) {
	if value != "" {
		t.row(name, value)
	}
}

// String gives the table and begins anew.
func (t *table) String() string {
	// Neither writer can fail: they end in memory.
	_ = t.w.Flush()
	defer t.b.Reset()
	return t.b.String()
}

// when writes a time for people, "" for none.
func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
