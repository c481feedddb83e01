package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tokenledger/tokenledger/client"
	"github.com/tokenledger/tokenledger/client/api"
)

type tokenImportCmd struct {
	File    string `arg:"" help:"NDJSON, a key a line; - is standard input."`
	Results string `placeholder:"FILE" help:"Write the result of each line here, as NDJSON; a file that is there is replaced."`

	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenImportCmd) Help() string {
	return `Each line names a key by the SHA-256 of it, in hex, and never the key itself: {"sha256":"…","name":"…"}, with site, owner, scopes, tenant, ttl or expires_at, not_before, allowed_cidrs and metadata if you like; up to 1,000,000 lines. The keys stay good as they are. A line that fails stops no other. An import that was interrupted goes on when the same command is given again: what was imported counts as known already. The exit code is 1 if a line failed. With --json, a result a line.

Example:

    printf %s "$KEY" | sha256sum
    tokenledger token import keys.ndjson --results results.ndjson`
}

// Run implements the verb.
func (c *tokenImportCmd) Run(ctx context.Context, m *Main) error {
	var lines io.Reader = m.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return usage("cannot read the keys: %w", err)
		}
		defer f.Close()
		lines = f
	}
	cl, err := c.open(m)
	if err != nil {
		return err
	}
	defer cl.Close()
	out := &importReport{m: m, json: c.JSON}
	if err := out.open(c.Results); err != nil {
		return usage("cannot write the results: %w", err)
	}
	if !c.JSON {
		if lines, err = out.progress(c.File, lines); err != nil {
			return usage("cannot read the keys: %w", err)
		}
	}
	done, err := cl.Import(ctx, lines, out.line, c.options()...)
	if closeErr := out.close(); err == nil {
		err = closeErr
	}
	n := done.Value
	if err != nil {
		if n.Results() > 0 {
			m.note("so far: %s imported, %d known already, %d failed; the same command goes on from there", count(n.Imported, "key"), n.Exists, n.Failed)
		}
		return importFailed(err)
	}
	noteReplay(m, done)
	if !c.JSON {
		if err := m.print(fmt.Sprintf("%s imported, %d known already, %d failed.\n", count(n.Imported, "key"), n.Exists, n.Failed)); err != nil {
			return err
		}
	}
	if n.Failed > 0 {
		return fmt.Errorf("%s failed; the others stand", count(n.Failed, "line"))
	}
	return nil
}

// importFailed gives an import that ended early the exit code that its cause has
// elsewhere.
func importFailed(err error) error {
	doingIt := doing("cannot import", err)
	stopped, ok := errors.AsType[*client.ImportStoppedError](err)
	if !ok {
		return doingIt
	}
	switch stopped.Code {
	case "invalid_token", "permission_missing":
		return withCode(exitDenied, doingIt)
	case "import_too_long", "import_stalled", "body_too_large", "body_unreadable":
		return doingIt
	}
	return withCode(exitUnavailable, doingIt)
}

// importReport takes the results of an import to where they are wanted.
type importReport struct {
	m    *Main
	json bool
	file *os.File
	to   *bufio.Writer // file
	end  func()        // takes the progress bar away; nil without one
	// held are failures that wait until the bar is gone, omitted how many are not held.
	held    []string
	omitted int
}

// maxHeld bounds importReport.held.
const maxHeld = 100

func (r *importReport) open(file string) (err error) {
	if file == "" {
		return nil
	}
	if r.file, err = os.Create(file); err == nil {
		r.to = bufio.NewWriter(r.file)
	}
	return err
}

// progress shows how many lines of a file were taken, on a terminal.
func (r *importReport) progress(name string, lines io.Reader) (io.Reader, error) {
	f, ok := lines.(*os.File)
	if !ok || name == "-" {
		return lines, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return lines, err
	}
	show, end := r.m.progress("importing")
	if show == nil {
		return lines, nil
	}
	r.end = end
	count := &lineCounter{r: f}
	if _, err := io.Copy(io.Discard, count); err != nil {
		return nil, err
	}
	total := count.lines
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &lineCounter{r: f, show: func(done uint64) { show(done, max(total, 1)) }}, nil
}

// lineCounter counts the lines that are read through it.
type lineCounter struct {
	r     io.Reader
	lines uint64
	show  func(done uint64)
}

// Read implements [io.Reader].
func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for _, b := range p[:n] {
		if b == '\n' {
			c.lines++
		}
	}
	if c.show != nil {
		c.show(c.lines)
	}
	return n, err
}

// line takes one result.
func (r *importReport) line(res api.ImportResult) error {
	if r.to != nil {
		b, err := json.Marshal(res)
		if err == nil {
			_, err = r.to.Write(append(b, '\n'))
		}
		if err != nil {
			return doing("cannot write the results", err)
		}
	}
	switch {
	case r.json:
		return r.m.printJSON(res)
	case res.Status != "failed":
		return nil
	}
	text := fmt.Sprintf("line %d failed: %s (%s)\n", res.Line, clean(res.Error), clean(res.Code))
	switch {
	case r.end == nil:
		return r.m.print(text)
	case len(r.held) < maxHeld:
		r.held = append(r.held, text)
	default:
		r.omitted++
	}
	return nil
}

// close ends the bar, gives what was held, and completes the file.
func (r *importReport) close() (err error) {
	if r.end != nil {
		r.end()
	}
	for _, text := range r.held {
		err = errors.Join(err, r.m.print(text))
	}
	if r.omitted > 0 {
		r.m.note("and %s more failed; --results FILE has all", count(r.omitted, "line"))
	}
	if r.file != nil {
		err = errors.Join(err, doing("cannot write the results", errors.Join(r.to.Flush(), r.file.Close())))
	}
	return err
}
