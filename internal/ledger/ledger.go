// Package ledger is the one door to everything that can be asked of a node. Every
// transport (HTTP now; others beside it) comes through here, with a session that
// says who asks. Each operation first passes enter, which settles that the node
// may answer at all, that the caller may ask for this, and that the asking is on
// record; then it hands over to the commands or the read side.
package ledger

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/signin"
	"github.com/tokenledger/tokenledger/projections"
)

// Freshness tells whether the read side may be relied on.
type Freshness interface {
	// Fresh returns nil, or an error of kind Unavailable.
	Fresh() error
	// Last is the stream's last sequence as last heard.
	Last() uint64
}

// Config is what a Ledger is made of.
type Config struct {
	Handler   *commands.Handler
	Judge     *commands.Judge
	State     *State
	Auth      *auth.Authenticator
	Uses      auth.Recorder
	Freshness Freshness
	Runner    *projections.Runner
	Now       func() time.Time
	// Logger is told of leaked tokens.
	Logger *slog.Logger
	// Log is the audit log, VerifierKey the key that its checkpoints are verified with,
	// and Questions answers from it.
	Log         *audit.Log
	VerifierKey string
	Questions   *questions.Asker
	// People is how people sign in; nil where they cannot.
	People *signin.Party
}

// Ledger is the door.
type Ledger struct {
	Config
	readers entryReaders
}

// New gives the door to what cfg names.
func New(cfg Config) *Ledger { return &Ledger{Config: cfg} }

// SignIn recognises the bearer of a request for resource ("POST /v1/tokens").
func (l *Ledger) SignIn(ctx context.Context, bearer secret.Secret, origin events.Origin, resource string) (auth.Session, error) {
	if err := l.Freshness.Fresh(); err != nil {
		return auth.Session{}, err
	}
	return l.Auth.Authenticate(ctx, bearer, origin, resource)
}

// Recognize is SignIn for the bearer of the token id, who has signed in before and whom
// the transport knows again for certain.
func (l *Ledger) Recognize(ctx context.Context, id ulid.ULID, origin events.Origin, resource string) (auth.Session, error) {
	if err := l.Freshness.Fresh(); err != nil {
		return auth.Session{}, err
	}
	return l.Auth.Recognize(ctx, id, origin, resource)
}

// enter admits the session to an operation and gives the tenant that it is about.
func (l *Ledger) enter(ctx context.Context, s auth.Session, need commands.Permission, tenant string) (string, error) {
	tenant, err := l.authorize(ctx, s, need, tenant)
	if err != nil {
		return "", err
	}
	return tenant, l.Uses.Record(ctx, s.TakeUse()...)
}

// Finish keeps the record of a session's use that no operation has kept, because
// the request went wrong before it came to one.
func (l *Ledger) Finish(ctx context.Context, s auth.Session) error {
	if use := s.TakeUse(); len(use) > 0 {
		return l.Uses.Record(ctx, use...)
	}
	return nil
}

// authorize is enter, but for the record of the caller's own use.
func (l *Ledger) authorize(ctx context.Context, s auth.Session, need commands.Permission, tenant string) (string, error) {
	if err := l.Freshness.Fresh(); err != nil {
		return "", err
	}
	if err := l.Auth.Still(ctx, s); err != nil {
		return "", err
	}
	tenant, err := auth.Authorize(s.Caller, need, tenant)
	if err != nil {
		uses := s.TakeUse()
		if e, ok := errors.AsType[*commands.Error](err); ok && e.Kind == commands.Forbidden {
			for i := range uses {
				uses[i].Reason, uses[i].Scopes = string(commands.InsufficientScope), []string{need}
			}
		}
		return "", errors.Join(l.Uses.Record(ctx, uses...), err)
	}
	return tenant, nil
}

// tenantOf gives the tenant of a token for a caller who reaches all tenants, and
// the caller's own for everybody else.
func (l *Ledger) tenantOf(s auth.Session, id ulid.ULID) (string, error) {
	if !s.Holds(commands.Root) {
		return "", nil
	}
	t, ok, err := l.State.Token(id)
	if err != nil || !ok {
		return "", commands.Unreadable(err)
	}
	return t.Tenant, nil
}

// enterToken is enter for an operation on one token.
func (l *Ledger) enterToken(ctx context.Context, s auth.Session, need commands.Permission, id ulid.ULID) (string, error) {
	tenant, err := l.tenantOf(s, id)
	if err != nil {
		return "", err
	}
	return l.enter(ctx, s, need, tenant)
}
