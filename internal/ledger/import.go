package ledger

import (
	"context"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// Importing is an import under way, of a caller who was admitted to it. It belongs to
// one goroutine.
type Importing struct {
	ledger  *Ledger
	session auth.Session
	run     *commands.Importing
	begun   bool
}

// StartImport needs tokens:write. It refuses a session whose import will be refused
// whatever its lines are, so that nobody else has them read. The use of the caller's
// token is recorded with the first batch.
func (l *Ledger) StartImport(ctx context.Context, s auth.Session) (*Importing, error) {
	if _, err := l.authorize(ctx, s, commands.TokensWrite, ""); err != nil {
		return nil, err
	}
	return &Importing{ledger: l, session: s, run: l.Handler.StartImport(s.Caller)}, nil
}

// Submit decides the next lines and sends them on their way; see
// [commands.Importing.Submit]. Each batch is admitted anew: an import takes as long as
// its sender likes, and the caller's token may have ended meanwhile. A line needs
// tokens:write for its own tenant, and fails alone without.
func (i *Importing) Submit(ctx context.Context, lines []commands.Import) (*commands.ImportBatch, error) {
	admit := i.ledger.enter
	if i.begun {
		admit = i.ledger.authorize
	}
	if _, err := admit(ctx, i.session, commands.TokensWrite, ""); err != nil {
		return nil, err
	}
	i.begun = true
	for n := range lines {
		line := &lines[n]
		if line.Refused == nil {
			line.Tenant, line.Refused = auth.Authorize(i.session.Caller, commands.TokensWrite, line.Tenant)
		}
	}
	return i.run.Submit(ctx, lines)
}
