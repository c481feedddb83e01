package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

const (
	// maxImportLine bounds one line of an import, in bytes; no event could hold more.
	maxImportLine = 64 << 10
	// chunkSize is how much of an import is read at once, and chunksAhead how many
	// such are kept.
	chunkSize   = 64 << 10
	chunksAhead = 4
	// stall is how long the client may take for the next line, or for taking the next
	// part of the answer.
	stall = time.Minute
)

// chunk is a part of an import's body that ends with a line's end, or is the last.
type chunk struct {
	lines []byte
	// long is set for a line that is longer than it may be: it was left out.
	long bool
	// err is why there is no more; [io.EOF] at the end.
	err error
}

// importBody reads an import's body in chunks.
type importBody struct {
	body io.Reader
	// deadline has the next reads fail at that time.
	deadline func(time.Time) error
	left     int64 // bytes that may come yet
	rest     []byte
	long     bool // within a line that is too long
	// renewed is when the deadline was last put off.
	renewed time.Time
	spare   chan []byte
}

func newImportBody(body io.Reader, deadline func(time.Time) error, limit int64) *importBody {
	return &importBody{body: body, deadline: deadline, left: limit, spare: make(chan []byte, chunksAhead+2)}
}

// run sends chunks until the body ends or stop is closed; then it reads the rest for
// nobody, see discard.
func (b *importBody) run(out chan<- chunk, stop <-chan struct{}) {
	for {
		c := b.next()
		select {
		case out <- c:
		case <-stop:
			if c.err == nil {
				b.discard()
			}
			return
		}
		if c.err != nil {
			return
		}
	}
}

// done gives a chunk's memory back.
func (b *importBody) done(c chunk) {
	if cap(c.lines) == 0 {
		return
	}
	select {
	case b.spare <- c.lines[:0]:
	default:
	}
}

// next reads at least one line, or the rest of what there is.
func (b *importBody) next() chunk {
	var buf []byte
	select {
	case buf = <-b.spare:
	default:
		buf = make([]byte, 0, chunkSize+maxImportLine)
	}
	buf = append(buf, b.rest...)
	b.rest = b.rest[:0]
	for {
		b.putOff()
		at := len(buf)
		n, err := b.body.Read(buf[at:min(at+chunkSize, cap(buf))])
		if b.left -= int64(n); b.left < 0 {
			return chunk{err: &commands.Error{Kind: commands.TooLarge, Code: "body_too_large",
				Detail: fmt.Sprintf("the import is larger than %d bytes", maxImport), Hint: "send the rest in another import"}}
		}
		buf = buf[:at+n]
		if b.long {
			// Of the line that is too long nothing is kept.
			end := bytes.IndexByte(buf[at:], '\n')
			if end < 0 {
				buf = buf[:at]
			} else {
				buf, b.long = append(buf[:at], buf[at+end+1:]...), false
				b.renewed = time.Time{}
			}
		}
		end := bytes.LastIndexByte(buf[at:], '\n')
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return chunk{err: unread(err)} // half a line is no line
		case err != nil:
			// The server watches the connection from here on, for as long as it takes.
			_ = b.deadline(time.Time{})
			return chunk{lines: buf, err: io.EOF}
		case end >= 0:
			b.renewed = time.Time{}
			b.rest = append(b.rest, buf[at+end+1:]...)
			return chunk{lines: buf[:at+end+1]}
		case len(buf) > maxImportLine:
			b.long, b.renewed = true, time.Time{}
			return chunk{lines: buf[:0], long: true}
		}
	}
}

// putOff moves the deadline, if a line has come since it was moved last.
func (b *importBody) putOff() {
	if b.renewed.IsZero() {
		b.renewed = time.Now()
		_ = b.deadline(b.renewed.Add(stall)) // a connection that has none is bounded by its server
	}
}

// discard reads what is left, so that a client which sends all before it reads anything
// comes to the answer. It gives up after a while.
func (b *importBody) discard() {
	_ = b.deadline(time.Now().Add(stall / 2))
	_, _ = io.Copy(io.Discard, io.LimitReader(b.body, b.left))
}

func unread(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &commands.Error{Kind: commands.Invalid, Code: "import_stalled", Detail: fmt.Sprintf("no line of the import came for %s", stall), Hint: "send the import again: what was imported is known then", Cause: err}
	}
	return &commands.Error{Kind: commands.Invalid, Code: "body_unreadable", Detail: "the request's body ended early", Hint: "send it again, whole", Cause: err}
}

func lineTooLong() error {
	return &commands.Error{Kind: commands.TooLarge, Code: "line_too_long", Detail: fmt.Sprintf("the line is longer than %d bytes", maxImportLine), Hint: "give it less metadata"}
}
