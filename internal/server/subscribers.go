package server

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// admitSubscriber lets a NATS client in that shows a ledger token as its NATS
// token. What it may hear and ask follows from the token's scopes and tenant.
func (s *Server) admitSubscriber(token, remoteAddr string) (natsserver.Permissions, error) {
	door := s.ledger.Load()
	if door == nil {
		return natsserver.Permissions{}, errors.New("the node is starting")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	host, _, _ := net.SplitHostPort(remoteAddr)
	session, err := door.SignIn(ctx, secret.Of(token), events.Origin{IP: host}, "NATS CONNECT")
	if err != nil {
		return natsserver.Permissions{}, err
	}
	// Who may do nothing is given no account either: their number is that of tenants
	// whose tokens came here for something.
	may := auth.NATSGrant(session.Caller, true)
	if may.None() {
		return natsserver.Permissions{}, errors.New("token " + session.Actor.TokenID.String() + " holds no permission to subscribe or to validate")
	}
	if err := door.Finish(ctx, session); err != nil {
		return natsserver.Permissions{}, err
	}
	s.subscribers.add(session.Actor.TokenID)
	account := natsserver.Account(auth.NATSAccount(session.Caller))
	// The token, and not whoever acts with it: a person can have several sessions.
	return natsserver.Permissions{Name: session.Actor.TokenID.String(), Account: &account, Subscribe: may.Subscribe, Publish: may.Publish}, nil
}
