package server

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// admitSubscriber lets a NATS client in that shows a ledger token as its NATS
// token. What it may hear follows from the token's scopes and tenant.
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
	may := subscriptions(session.Caller)
	if len(may) == 0 {
		return natsserver.Permissions{}, errors.New("token " + session.Actor.ID + " holds no permission to subscribe")
	}
	if err := door.Finish(ctx, session); err != nil {
		return natsserver.Permissions{}, err
	}
	s.subscribers.add(session.Actor.TokenID)
	return natsserver.Permissions{Name: session.Actor.ID, Subscribe: may}, nil
}

// subscriptions are the subjects that a caller may hear.
func subscriptions(c commands.Caller) []string {
	switch {
	case c.Holds(commands.Root):
		return []string{events.SubjectPrefix + ">"}
	case c.Holds(commands.AuditReadScope):
		return []string{events.SubjectPrefix + c.Tenant + ".>"}
	case c.Holds(commands.RevocationsRead):
		return []string{events.SubjectPrefix + c.Tenant + ".revoked"}
	}
	return nil
}
