package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Token needs tokens:read.
func (l *Ledger) Token(ctx context.Context, s auth.Session, id ulid.ULID) (tokens.Record, error) {
	tenant, err := l.enterToken(ctx, s, commands.TokensRead, id)
	if err != nil {
		return tokens.Record{}, err
	}
	return l.visible(tenant, id)
}

func (l *Ledger) visible(tenant string, id ulid.ULID) (tokens.Record, error) {
	t, ok, err := l.State.Record(id)
	if err != nil {
		return t, commands.Unreadable(err)
	}
	if !ok || t.Tenant != tenant {
		return tokens.Record{}, commands.NoSuchToken(id.String())
	}
	return t, nil
}

// Record joins a token with its usage, for an answer that changed it.
func (l *Ledger) Record(t tokens.Token) (tokens.Record, error) {
	u, err := l.State.Usage(t.ID)
	return tokens.Record{Token: t, Usage: u}, commands.Unread(err)
}

// Tokens needs tokens:read.
func (l *Ledger) Tokens(ctx context.Context, s auth.Session, q tokens.Query) (page tokens.Page, err error) {
	if q.Tenant, err = l.enter(ctx, s, commands.TokensRead, q.Tenant); err != nil {
		return page, err
	}
	q.Now = l.Now()
	return l.State.List(q)
}

// History needs tokens:read. It gives up to limit of the token's events after the
// sequence after, in order, and whether there are more.
func (l *Ledger) History(ctx context.Context, s auth.Session, id ulid.ULID, after uint64, limit int) (evs []events.Recorded, more bool, err error) {
	tenant, err := l.enterToken(ctx, s, commands.TokensRead, id)
	if err != nil {
		return nil, false, err
	}
	if _, err := l.visible(tenant, id); err != nil {
		return nil, false, err
	}
	return l.State.History(ctx, id, after, limit)
}

// Projections needs admin.
func (l *Ledger) Projections(ctx context.Context, s auth.Session) ([]projections.Status, uint64, error) {
	if _, err := l.enter(ctx, s, commands.Admin, ""); err != nil {
		return nil, 0, err
	}
	return l.Runner.Status(), l.Freshness.Last(), nil
}

// reachWithin bounds the wait for a sequence that a reader asks for.
const reachWithin = 2 * time.Second

// reach waits until reads take in seq.
func (l *Ledger) reach(ctx context.Context, seq uint64) error {
	if seq <= l.State.Applied() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	if err := l.State.WaitFor(ctx, seq); err != nil {
		return &commands.Error{Kind: commands.Unavailable, Code: "behind",
			Detail: fmt.Sprintf("this node has applied the stream up to %d, and the request asks for %d", l.State.Applied(), seq),
			Hint:   "try again shortly; if the stream has no such sequence, the request's min_seq is wrong", Cause: err}
	}
	return nil
}
