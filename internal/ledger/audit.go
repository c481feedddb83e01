package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// The operations on the audit log. All need audit:read. What gives events is itself
// recorded before it is answered; what cannot be recorded is not answered.

// Checkpoint gives a signed checkpoint over all that this node has applied,
// https://c2sp.org/tlog-checkpoint. It holds no event and is not recorded.
func (l *Ledger) Checkpoint(ctx context.Context, s auth.Session) ([]byte, error) {
	if _, err := l.enter(ctx, s, commands.AuditReadScope, ""); err != nil {
		return nil, err
	}
	signed, err := l.Log.Checkpoint(ctx)
	return signed, auditError(err)
}

// Consistency proves that the audit log of to entries begins with what it was with from
// entries; nil for to is all that this node has applied. It holds no event and is not
// recorded.
func (l *Ledger) Consistency(ctx context.Context, s auth.Session, from uint64, to *uint64) (c audit.Consistency, err error) {
	if _, err := l.enter(ctx, s, commands.AuditReadScope, ""); err != nil {
		return c, err
	}
	if from == 0 {
		return c, SizeInvalid("from is 0: the empty log is the beginning of every log, so there is nothing to prove")
	}
	newer := uint64(0) // that of the checkpoint
	if to != nil {
		if newer = *to; newer < from {
			return c, SizeInvalid(fmt.Sprintf("to is %d and from %d: a log does not get smaller", newer, from))
		}
	}
	signed, err := l.Log.Checkpoint(ctx)
	if err != nil {
		return c, auditError(err)
	}
	c, err = l.Log.Consistency(from, newer, signed)
	if ahead, ok := errors.AsType[*audit.NotYetError](err); ok {
		return c, SizeInvalid(ahead.OfSize())
	}
	return c, auditError(err)
}

// SizeInvalid refuses sizes between which there is no proof of consistency.
func SizeInvalid(detail string) error {
	return &commands.Error{Kind: commands.Invalid, Code: "size_invalid", Detail: detail,
		Hint: "give numbers of entries from 1 on, such as stand in the second line of a checkpoint: from is the smaller one, and to can be left out"}
}

// LogKey gives the key that this node's checkpoints are verified with, as
// golang.org/x/mod/sumdb/note writes it.
func (l *Ledger) LogKey(ctx context.Context, s auth.Session) (string, error) {
	if _, err := l.enter(ctx, s, commands.AuditReadScope, ""); err != nil {
		return "", err
	}
	return l.VerifierKey, nil
}

// Tile is a tile's bytes.
type Tile struct {
	Bytes []byte
	// Entries says that they are leaves, and not hashes; Full that they never change.
	Entries, Full bool
}

// Tile gives a tile of the path "tile/…" (https://c2sp.org/tlog-tiles). A bundle of
// entries holds the events of all tenants and needs root.
func (l *Ledger) Tile(ctx context.Context, s auth.Session, path string) (Tile, error) {
	t, entries, bad := audit.ParseTile(path)
	need := commands.AuditReadScope
	if bad == nil && entries {
		need = commands.Root
	}
	if _, err := l.enter(ctx, s, need, ""); err != nil {
		if entries {
			err = hintEntries(err)
		}
		return Tile{}, err
	}
	if bad != nil {
		return Tile{}, noSuchTile()
	}
	b, err := l.Log.ProvenTile(t)
	if err != nil {
		return Tile{}, auditError(err)
	}
	if entries {
		first := uint64(t.N) * audit.TileWidth
		if err := l.recordEntries(ctx, s, first, first+uint64(t.W)-1); err != nil {
			return Tile{}, err
		}
	}
	return Tile{Bytes: b, Entries: entries, Full: t.W == audit.TileWidth}, nil
}

// enterAudit admits a session to a question. A caller without root is told of its own
// tenant; root of all, unless it names one. own is the tenant that the reading belongs
// to where it is about no other.
func (l *Ledger) enterAudit(ctx context.Context, s auth.Session, tenant string) (scope questions.Scope, own string, err error) {
	own, err = l.enter(ctx, s, commands.AuditReadScope, tenant)
	if err != nil {
		return scope, "", err
	}
	if tenant == "" && s.Holds(commands.Root) {
		return questions.Scope{AllTenants: true}, own, nil
	}
	return questions.Scope{Tenant: own}, own, nil
}

// recordReading puts a reading on record. Nothing is answered before it returns nil.
func (l *Ledger) recordReading(ctx context.Context, s auth.Session, tenant string, token ulid.ULID, asked *asked) error {
	return l.Handler.ReadAudit(ctx, s.Caller, commands.ReadAudit{Tenant: tenant, TokenID: token, Query: asked.String()})
}

// has reports whether an event is in the scope.
func has(scope questions.Scope, r events.Recorded) bool {
	return scope.AllTenants || r.Event.Tenant == scope.Tenant
}
