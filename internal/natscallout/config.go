package natscallout

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"
)

// Config says whom the service answers, and by what.
type Config struct {
	// Conn is a connection into the account that the server's auth_callout names. System,
	// if not nil, is one into the system account. Both stay the caller's.
	Conn, System *nats.Conn
	Keys         Keys
	Accounts     Accounts
	// TTL is how long a client is let in for; then it has to sign in again. Up to an
	// eighth less is given, so that those who came together do not all come back together.
	TTL time.Duration
	// Admit finds out who shows the token, from the address, and has that recorded. An
	// error refuses the client, which learns nothing of it; the log does. It is called from
	// many goroutines at once.
	Admit func(ctx context.Context, token, address string) (Admitted, error)
	// Ended tells whether the token is one that was good and is so no more. It is not
	// for a token that is not known.
	Ended func(id ulid.ULID) (bool, error)
	// Fresh returns nil while what the ledger says may be relied on.
	Fresh  func() error
	Logger *slog.Logger
}

// Admitted is whom a token lets in, and what he may do.
type Admitted struct {
	Token  ulid.ULID
	Tenant string
	// AllTenants is set for those who reach all of them.
	AllTenants bool
	// Subscribe and Publish are the subjects, with NATS wildcards, that the client may
	// subscribe and publish to. Empty: none.
	Subscribe, Publish []string
	// Ends is when the token ends, as far as is known; zero is never.
	Ends time.Time
}
