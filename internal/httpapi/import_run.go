package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// importBounds are what one import may have.
type importBounds struct {
	lines int   // that are not blank
	bytes int64 // of its body
	batch int   // lines in a batch
}

const (
	// batchBytes closes a batch of long lines.
	batchBytes = 1 << 20
	// linger is how long a line waits for others to share a batch with.
	linger = 20 * time.Millisecond
)

// importing is one import on its way through the node.
type importing struct {
	c      *call
	run    *ledger.Importing
	bounds importBounds
	out    importAnswer

	// What follows is the handler's own.

	line, lines int // the number of the last line, blank ones among them; how many were not blank
	next        importBatch
	size        int // of next, in bytes
	linger      *time.Timer
	batches     chan importBatch
	// trouble is closed by the writer when nothing more is to be tried.
	trouble chan struct{}
	ended   bool // all lines were read
	// stop is why the import ends before its last line, and stopAt the first line that
	// has no result. What lies behind it is not looked at.
	stop   error
	stopAt int
}

// importBatch is lines that go to the ledger together.
type importBatch struct {
	numbers []int // of the lines
	lines   []commands.Import
	sent    *commands.ImportBatch
}

// importOutcome is what the writer of the results knows at its end.
type importOutcome struct {
	results            int
	seq, replayedSeq   uint64
	recorded, replayed int
	failed             error // of a batch
	err                error // of the answer: nobody would hear of anything more
}

// answer carries the import out and answers it.
func (i *importing) answer() error {
	ctx, cancel := context.WithCancel(i.c.r.Context())
	defer cancel()
	body := newImportBody(i.c.r.Body, i.c.controller().SetReadDeadline, i.bounds.bytes)
	chunks, stop := make(chan chunk, chunksAhead), make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { body.run(chunks, stop) })
	i.batches, i.trouble = make(chan importBatch, 1), make(chan struct{})
	done := make(chan importOutcome, 1)
	go func() { done <- i.write() }()

	i.gather(ctx, body, chunks)

	close(i.batches)
	out := <-done
	if i.stop == nil && !i.whole() {
		i.stop, i.stopAt = out.failed, i.nextNumber()
	}
	if i.stop != nil && out.results > 0 && out.err == nil {
		line, err := wire.Marshal(stopped(i.stopAt, i.stop))
		if err == nil {
			err = i.out.write(line)
		}
		out.err = err
	}
	// Who reads while it sends comes to the refusal without our reading the rest.
	_, duplex := i.out.(*direct)
	if out.err != nil || duplex && !i.ended && out.results == 0 {
		_ = i.c.controller().SetReadDeadline(time.Unix(1, 0))
	}
	close(stop)
	reading.Wait()
	switch {
	case out.err != nil:
		return i.out.broken(out.err)
	case i.stop != nil && out.results == 0:
		return i.stop
	}
	if replayed := out.replayed > 0 && out.recorded == 0; replayed {
		return i.out.end(out.replayedSeq, true)
	}
	return i.out.end(out.seq, false)
}

// whole reports whether every line has been sent to the ledger.
func (i *importing) whole() bool { return i.ended && len(i.next.lines) == 0 }

// nextNumber is that of the first line that has not been sent.
func (i *importing) nextNumber() int {
	if len(i.next.numbers) > 0 {
		return i.next.numbers[0]
	}
	return i.line + 1
}

// gather reads lines and sends them to the ledger in batches, until there are no more or
// the import has to stop.
func (i *importing) gather(ctx context.Context, body *importBody, chunks <-chan chunk) {
	i.linger = time.NewTimer(linger)
	defer i.linger.Stop()
	for !i.ended && i.stop == nil {
		var late <-chan time.Time
		if len(i.next.lines) > 0 {
			late = i.linger.C
		}
		select {
		case c := <-chunks:
			i.take(ctx, c)
			body.done(c)
		case <-late:
			i.submit(ctx)
		case <-i.trouble:
			return
		}
	}
	// The first is sent even if it is empty: with it goes the record of the request.
	if i.stop == nil && (len(i.next.lines) > 0 || i.lines == 0) {
		i.submit(ctx)
	}
}

// take takes the lines of a chunk.
func (i *importing) take(ctx context.Context, c chunk) {
	for line := range bytes.Lines(c.lines) {
		i.line++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			i.add(ctx, line)
		}
		if i.stop != nil {
			return
		}
	}
	switch {
	case c.long:
		i.line++
		i.add(ctx, nil)
	case errors.Is(c.err, io.EOF):
		i.ended = true
	case c.err != nil:
		// Lines that came whole and were not sent yet are left alone with the rest.
		i.stop, i.stopAt = c.err, i.nextNumber()
	}
}

// add takes one line; nil stands for one that was too long to be read.
func (i *importing) add(ctx context.Context, line []byte) {
	if i.lines == i.bounds.lines {
		if i.submit(ctx); i.stop == nil {
			i.stop, i.stopAt = &commands.Error{Kind: commands.Invalid, Code: "import_too_long",
				Detail: fmt.Sprintf("an import may have %d lines, and this one has more", i.bounds.lines), Hint: "send the lines from here on in another import"}, i.line
		}
		return
	}
	i.lines++
	if len(i.next.lines) == 0 {
		i.linger.Reset(linger)
		i.next.numbers = make([]int, 0, min(i.bounds.batch, 64))
	}
	var cmd commands.Import
	if line == nil || len(line) > maxImportLine {
		cmd.Refused = lineTooLong()
	} else if read, err := importLine(line); err != nil {
		cmd.Refused = err
	} else {
		cmd = read
	}
	i.next.numbers, i.next.lines = append(i.next.numbers, i.line), append(i.next.lines, cmd)
	if i.size += len(line); len(i.next.lines) == i.bounds.batch || i.size >= batchBytes {
		i.submit(ctx)
	}
}

// submit sends the lines that were gathered.
func (i *importing) submit(ctx context.Context) {
	select {
	case <-i.trouble:
		return
	default:
	}
	b := i.next
	sent, err := i.run.Submit(ctx, b.lines)
	if err != nil {
		i.stop, i.stopAt = err, i.nextNumber()
		return
	}
	i.next, i.size = importBatch{}, 0
	b.lines, b.sent = nil, sent
	i.batches <- b
}

// write waits for the batches in their order and writes their results. After trouble it
// goes on waiting for those that are under way.
func (i *importing) write() (out importOutcome) {
	var text []byte
	for b := range i.batches {
		o := b.sent.Wait()
		out.seq, out.replayedSeq = max(out.seq, o.Seq), max(out.replayedSeq, o.ReplayedSeq)
		out.recorded, out.replayed = out.recorded+o.Recorded, out.replayed+o.Replayed
		well := out.failed == nil && out.err == nil
		if out.failed == nil {
			out.failed = o.Err
		}
		if out.err == nil && len(o.Lines) > 0 {
			text = text[:0]
			for n, line := range o.Lines {
				var err error
				if text, err = appendResult(text, b.numbers[n], line); err != nil {
					out.err = err
				}
			}
			if out.err == nil {
				out.results += len(o.Lines)
				out.err = i.out.write(text)
			}
		}
		if well && (out.failed != nil || out.err != nil) {
			close(i.trouble)
		}
	}
	return out
}

// appendResult writes the [api.ImportResult] of a line, as marshal would.
func appendResult(b []byte, number int, o commands.Imported) ([]byte, error) {
	if o.Err != nil {
		line, err := wire.Marshal(failed(number, o.Err))
		return append(b, line...), err
	}
	b = append(b, `{"line":`...)
	b = strconv.AppendInt(b, int64(number), 10)
	if o.Existed {
		b = append(b, `,"status":"exists","id":"`...)
	} else {
		b = append(b, `,"status":"imported","id":"`...)
	}
	return append(append(b, o.ID.String()...), "\"}\n"...), nil
}

func (c *call) controller() *http.ResponseController { return http.NewResponseController(c.w) }
