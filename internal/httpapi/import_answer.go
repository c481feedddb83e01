package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

const ndjson = "application/x-ndjson"

// importAnswer is where the results of an import go. Its methods are called one after
// another.
type importAnswer interface {
	write(lines []byte) error
	// end finishes the answer.
	end(seq uint64, replayed bool) error
	// broken ends it after a write that failed.
	broken(err error) error
	close()
}

// direct is an answer that goes out line by line while the request comes in. What is
// known at the end alone, goes into trailers.
type direct struct {
	c     *call
	begun bool
}

func (d *direct) write(lines []byte) error {
	if !d.begun {
		d.begun = true
		h := d.c.w.Header()
		h.Set("Content-Type", ndjson)
		h.Set("Trailer", "Ledger-Seq, Idempotency-Replayed")
		d.c.status = http.StatusOK
		d.c.w.WriteHeader(d.c.status)
	}
	control := d.c.controller()
	if err := control.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	if _, err := d.c.w.Write(lines); err != nil {
		return err
	}
	return control.Flush()
}

func (d *direct) end(seq uint64, replayed bool) error {
	d.c.seq(seq, replayed)
	if !d.begun {
		return d.c.write(ndjson, http.StatusOK, nil)
	}
	return d.c.controller().SetWriteDeadline(time.Now().Add(stall))
}

// broken has the client see that the answer is not complete.
func (*direct) broken(error) error { panic(http.ErrAbortHandler) }

func (*direct) close() {}

// kept is an answer that is kept until the request has been read: a little of it in
// memory, the rest in a temporary file that no name leads to. It holds the numbers of
// lines and the ids of tokens, and nothing secret.
type kept struct {
	c    *call
	text []byte
	file *os.File
	size int64 // of file
}

// keptInMemory is how much of an answer is kept in memory, in bytes.
const keptInMemory = 256 << 10

func (k *kept) write(lines []byte) error {
	k.text = append(k.text, lines...)
	if len(k.text) < keptInMemory {
		return nil
	}
	if k.file == nil {
		f, err := os.CreateTemp("", "tokenledger-import-")
		if err != nil {
			return err
		}
		k.file = f
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
	}
	n, err := k.file.Write(k.text)
	k.size += int64(n)
	k.text = k.text[:0]
	return err
}

func (k *kept) end(seq uint64, replayed bool) error {
	c := k.c
	c.seq(seq, replayed)
	control := c.controller()
	if err := control.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	if k.file == nil {
		return c.write(ndjson, http.StatusOK, k.text)
	}
	h := c.w.Header()
	h.Set("Content-Type", ndjson)
	h.Set("Content-Length", strconv.FormatInt(k.size+int64(len(k.text)), 10))
	c.status = http.StatusOK
	c.w.WriteHeader(c.status)
	// What goes wrong from here on is the connection's, or cuts it off.
	if _, err := k.file.Seek(0, io.SeekStart); err != nil {
		panic(http.ErrAbortHandler)
	}
	part := make([]byte, keptInMemory)
	for left := k.size; left > 0; {
		n, err := k.file.Read(part[:min(left, int64(len(part)))])
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		left -= int64(n)
		_ = control.SetWriteDeadline(time.Now().Add(stall))
		if _, err := c.w.Write(part[:n]); err != nil {
			return nil //nolint:nilerr // the client is gone
		}
	}
	_, _ = c.w.Write(k.text)
	return nil
}

func (*kept) broken(err error) error {
	return &commands.Error{Kind: commands.UnknownOutcome, Code: "results_lost",
		Detail: fmt.Sprintf("the node could not keep the import's results in %s until the whole of it was read; what was imported stands", os.TempDir()),
		Hint:   "ask the operator to make room there, and send the import again: what was imported is known then", Cause: err}
}

func (k *kept) close() {
	if k.file != nil {
		_ = k.file.Close()
	}
}
