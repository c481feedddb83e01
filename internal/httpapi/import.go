package httpapi

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

// importKeys reads all lines before it imports any: a line that cannot be read
// fails alone, and the body's bound holds for all of them.
func importKeys(c *call) error {
	if err := c.api.Ledger.MayImport(c.r.Context(), c.session); err != nil {
		return err
	}
	raw, err := c.body(maxImport)
	if err != nil {
		return err
	}
	var results []api.ImportResult
	var cmds []commands.Import
	var at []int // which result each command answers to
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := commands.CheckImportLength(len(results) + 1); err != nil {
			return err
		}
		cmd, err := importLine(line)
		if err != nil {
			results = append(results, failed(n, err))
			continue
		}
		cmds, at = append(cmds, cmd), append(at, len(results))
		results = append(results, api.ImportResult{Line: n})
	}
	all, err := c.api.Ledger.Import(c.r.Context(), c.session, cmds)
	if err != nil {
		return err
	}
	for i, o := range all.Lines {
		r := &results[at[i]]
		switch {
		case o.Err != nil:
			*r = failed(r.Line, o.Err)
		case o.Existed:
			r.Status, r.ID = "exists", o.ID.String()
		default:
			r.Status, r.ID = "imported", o.ID.String()
		}
	}
	var body []byte
	for _, r := range results {
		line, err := marshal(r)
		if err != nil {
			return err
		}
		body = append(body, line...)
	}
	c.seq(all.Seq, all.Replayed)
	return c.write("application/x-ndjson", http.StatusOK, body)
}

func failed(line int, err error) api.ImportResult {
	r := api.ImportResult{Line: line, Status: "failed", Code: "internal", Error: "the node failed on this line"}
	if e, ok := errors.AsType[*commands.Error](err); ok {
		r.Code, r.Error = e.Code, e.Detail
		if e.Hint != "" {
			r.Error += " (" + e.Hint + ")"
		}
	}
	return r
}

func importLine(line []byte) (cmd commands.Import, err error) {
	var in api.ImportLine
	if err := decode(line, &in); err != nil {
		return cmd, err
	}
	labels, err := labelsOf(api.GenerateRequest{
		Name: in.Name, Site: in.Site, Owner: in.Owner, Scopes: in.Scopes,
		TTL: in.TTL, ExpiresAt: in.ExpiresAt, NotBefore: in.NotBefore,
		AllowedCIDRs: in.AllowedCIDRs, Metadata: in.Metadata,
	})
	if err != nil {
		return cmd, err
	}
	var sum events.Digest
	if err := sum.UnmarshalText([]byte(in.SHA256)); err != nil {
		return cmd, &commands.Error{Kind: commands.Invalid, Code: "sha256_invalid", Detail: "sha256 is not 64 hex digits", Hint: "give the SHA-256 over the key, never the key"}
	}
	return commands.Import{Tenant: in.Tenant, SHA256: sum, Labels: labels}, nil
}
