package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/natscallout"
	"github.com/tokenledger/tokenledger/internal/natscreds"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// How long a client of an external server is let in for, when the settings do not say:
// where a revocation is not followed by a disconnection, this is what ends it.
const (
	calloutTTL         = time.Minute
	calloutTTLWithKick = 15 * time.Minute
)

// CalloutConfig says how clients are let into the server of Config.NATSURL by the ledger's
// tokens. docs/nats-external.md has the server's side.
type CalloutConfig struct {
	// Key is the file with the seed of the account key that signs the answers; empty lets
	// in nobody. Creds are the credentials for the account that is asked.
	Key, Creds string
	// XKey, if set, is the file with the seed of the key that requests are encrypted to.
	XKey string
	// SysCreds, if set, are the credentials for the system account.
	SysCreds string
	// Account is the template of the account of a tenant, RootAccount the account of those
	// who reach all tenants.
	Account, RootAccount string
	// TTL is how long a client is let in for; zero is a minute, or a quarter of an hour
	// with SysCreds.
	TTL time.Duration
}

func (c CalloutConfig) accounts() natscallout.Accounts {
	return natscallout.Accounts{Template: c.Account, Root: c.RootAccount}
}

func (c CalloutConfig) ttl() time.Duration {
	switch {
	case c.TTL != 0:
		return c.TTL
	case c.SysCreds != "":
		return calloutTTLWithKick
	}
	return calloutTTL
}

func (c CalloutConfig) check(natsURL string) error {
	if c.Key == "" {
		for flag, value := range map[string]string{"--nats-callout-creds": c.Creds, "--nats-callout-xkey": c.XKey, "--nats-sys-creds": c.SysCreds} {
			if value != "" {
				return misused("%s goes with --nats-callout-key, without which no NATS client is let in", flag)
			}
		}
		if c.TTL != 0 {
			return misused("--nats-callout-ttl goes with --nats-callout-key, without which no NATS client is let in")
		}
		return nil
	}
	switch {
	case natsURL == "":
		return misused("--nats-callout-key goes with --nats-url; clients of the embedded server sign in with a ledger token without it")
	case c.Creds == "":
		return misused("--nats-callout-key needs --nats-callout-creds: the credentials for the account that the server's auth_callout names")
	case c.ttl() < natscallout.ShortestTTL || c.ttl() > natscallout.LongestTTL:
		return misused("--nats-callout-ttl %s is out of range; it takes %s to %s", c.TTL, natscallout.ShortestTTL, natscallout.LongestTTL)
	}
	if err := c.accounts().Check(); err != nil {
		return misused("--nats-callout-account, --nats-callout-root-account: %v", err)
	}
	if _, err := c.keys(); err != nil {
		return &UsageError{err.Error()}
	}
	for flag, file := range map[string]string{"--nats-callout-creds": c.Creds, "--nats-sys-creds": c.SysCreds} {
		if file == "" {
			continue
		}
		if _, err := natscreds.Option(file); err != nil {
			return misused("%s: %v", flag, err)
		}
	}
	return nil
}

func (c CalloutConfig) keys() (natscallout.Keys, error) {
	signing, err := natscreds.Account(c.Key)
	if err != nil {
		return natscallout.Keys{}, fmt.Errorf("--nats-callout-key: %w", err)
	}
	if c.XKey == "" {
		return natscallout.NewKeys(signing, nil)
	}
	curve, err := natscreds.Curve(c.XKey)
	if err != nil {
		return natscallout.Keys{}, fmt.Errorf("--nats-callout-xkey: %w", err)
	}
	return natscallout.NewKeys(signing, curve)
}

// answerCallout lets clients into the external server, if it is to.
func (s *Server) answerCallout(ctx context.Context) error {
	c := s.cfg.Callout
	if c.Key == "" {
		return nil
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	conn, err := s.connectAs("--nats-callout-creds", c.Creds)
	if err != nil {
		return err
	}
	s.onStop(conn.Close)
	var system *nats.Conn
	if c.SysCreds != "" {
		if system, err = s.connectAs("--nats-sys-creds", c.SysCreds); err != nil {
			return err
		}
		s.onStop(system.Close)
	}
	service, err := natscallout.Start(ctx, natscallout.Config{
		Conn: conn, System: system, Keys: keys, Accounts: c.accounts(), TTL: c.ttl(),
		Admit: s.admitToNATS, Ended: s.ended, Fresh: s.ready, Logger: s.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("let NATS clients in: %w", err)
	}
	s.onStop(service.Close)
	return nil
}

// connectAs connects to the external server with other credentials than the node's.
func (s *Server) connectAs(flag, file string) (*nats.Conn, error) {
	conn, err := nats.Connect(s.cfg.NATSURL, natscreds.User(file), nats.Name("tokenledger "+s.identity.Node+" "+flag),
		nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond), nats.ReconnectBufSize(-1),
		// The account's users may be kept out for a while, and come back.
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.cfg.Logger.Warn("the node's NATS connection of "+flag, "error", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to the NATS server of --nats-url with %s: %w; check that they are right", flag, err)
	}
	return conn, nil
}

// admitToNATS lets a client into the external server that shows a ledger token.
func (s *Server) admitToNATS(ctx context.Context, token, address string) (natscallout.Admitted, error) {
	door := s.ledger.Load()
	if door == nil {
		return natscallout.Admitted{}, errors.New("the node is starting")
	}
	session, err := door.SignIn(ctx, secret.Of(token), events.Origin{IP: address}, "NATS CONNECT")
	if err != nil {
		return natscallout.Admitted{}, err
	}
	if err := door.Finish(ctx, session); err != nil {
		return natscallout.Admitted{}, err
	}
	credential, ok, err := s.reader.Credential(session.Actor.TokenID)
	if err != nil || !ok {
		return natscallout.Admitted{}, errors.Join(errors.New("the token cannot be read"), err)
	}
	who := natscallout.Admitted{
		Token: credential.ID, Tenant: session.Tenant, AllTenants: session.Holds(commands.Root), Ends: firstEnd(credential),
	}
	// Nobody else's subjects come into the account of his tenant.
	grant := auth.NATSGrant(session.Caller, true)
	who.Subscribe, who.Publish = grant.Subscribe, grant.Publish
	return who, nil
}

// firstEnd is when the token ends, as far as is known; zero is never.
func firstEnd(c tokens.Credential) time.Time {
	if c.ExpiresAt.IsZero() || !c.RevokedAt.IsZero() && c.RevokedAt.Before(c.ExpiresAt) {
		return c.RevokedAt
	}
	return c.ExpiresAt
}

// ended tells whether a token that is known is good no more.
func (s *Server) ended(id ulid.ULID) (bool, error) {
	c, ok, err := s.reader.Credential(id)
	return err == nil && ok && c.Status(commands.Clock(nil)()) != tokens.StatusActive, err
}
