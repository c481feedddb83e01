package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/tokenledger/tokenledger/client/api"
)

type tokenImportCmd struct {
	File string `arg:"" help:"NDJSON, a key a line; - is standard input."`

	writing
	form
	connection
}

// Help implements kong.HelpProvider.
func (tokenImportCmd) Help() string {
	return `Each line names a key by the SHA-256 of it, in hex, and never the key itself: {"sha256":"…","name":"…"}, with site, owner, scopes, tenant, ttl or expires_at, not_before, allowed_cidrs and metadata if you like. The keys stay good as they are. A line that fails stops no other; sending a file again is safe. The exit code is 1 if a line failed. With --json, a result a line.

Example:

    printf %s "$KEY" | sha256sum
    tokenledger token import keys.ndjson`
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
	done, err := cl.Import(ctx, lines, func(r api.ImportResult) error {
		switch {
		case c.JSON:
			return m.printJSON(r)
		case r.Status == "failed":
			return m.print(fmt.Sprintf("line %d failed: %s (%s)\n", r.Line, clean(r.Error), clean(r.Code)))
		}
		return nil
	}, c.options()...)
	if err != nil {
		return doing("cannot import", err)
	}
	noteReplay(m, done)
	n := done.Value
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
