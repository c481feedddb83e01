package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// How an import is carried out
//
// One goroutine reads the body and cuts it into lines; the handler's own decodes them,
// gathers them into batches and hands those to the ledger; a third waits for the
// batches, in order, and writes their results. Each waits for the next: what is read
// ahead, under way and not yet written is bounded, whatever the client does. No lock and
// no place in the ledger is held for a client that is slow to send or to read.
//
// The results go out as they are known to a client that asks for it in the header
// Connection, which no proxy passes on: a proxy may stop sending a request once its
// answer has begun, and a client that sends all before it reads anything would wait for
// ever. For everybody else the answer is kept (see kept) until the request has been read.

// importKeys answers POST /v1/tokens/import.
func importKeys(c *call) error {
	run, err := c.api.Ledger.StartImport(c.r.Context(), c.session)
	if err != nil {
		return err
	}
	if c.r.ContentLength > maxImport {
		return tooLarge(maxImport)
	}
	leave, err := c.api.imports.enter(c.session.Tenant)
	if err != nil {
		return err
	}
	defer leave()
	i := &importing{c: c, run: run, bounds: importBounds{lines: commands.MaxImport, bytes: maxImport, batch: commands.MaxImportBatch}}
	if c.r.ProtoMajor == 1 && connectionOption(c.r, api.ConnectionDuplex) && c.controller().EnableFullDuplex() == nil {
		i.out = &direct{c: c}
	} else {
		i.out = &kept{c: c}
	}
	defer i.out.close()
	return i.answer()
}

// connectionOption reports whether the client itself, and no proxy, gives the option.
func connectionOption(r *http.Request, option string) bool {
	for _, value := range r.Header.Values("Connection") {
		for _, given := range strings.Split(value, ",") {
			if strings.EqualFold(strings.TrimSpace(given), option) {
				return true
			}
		}
	}
	return false
}

// importLimit bounds the imports that run at once for callers of one tenant: each holds
// a few megabytes. Its zero value is ready.
type importLimit struct {
	mu      sync.Mutex
	running map[string]int
}

const maxImportsOfTenant = 4

func (l *importLimit) enter(tenant string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[tenant] >= maxImportsOfTenant {
		return nil, &commands.Error{Kind: commands.Unavailable, Code: "too_many_imports", Detail: "four imports of this tenant are running on this node; nothing was imported", Hint: "wait until one has ended, or send the lines in fewer imports"}
	}
	if l.running == nil {
		l.running = make(map[string]int)
	}
	l.running[tenant]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running[tenant]--; l.running[tenant] == 0 {
			delete(l.running, tenant)
		}
	}, nil
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

// stopped is the last line of an answer that has no result for the lines from this one on.
func stopped(line int, err error) api.ImportResult {
	r := failed(line, err)
	r.Status = "stopped"
	return r
}

// importLine decodes one line.
func importLine(line []byte) (cmd commands.Import, err error) {
	var in api.ImportLine
	if err := wire.Decode(line, &in); err != nil {
		return cmd, err
	}
	labels, err := labelsOf(api.GenerateRequest{
		Name: in.Name, Site: in.Site, Owner: in.Owner, Scopes: in.Scopes, Role: in.Role,
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
