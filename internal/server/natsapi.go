package server

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/natsapi"
)

// serveNATS answers validations over NATS. Without a listener nobody could ask.
func (s *Server) serveNATS(door *ledger.Ledger) error {
	var conn *nats.Conn
	var caller func(nats.Header) (natsapi.Caller, bool)
	var err error
	switch {
	case s.broker == nil:
		// On a server of others nothing in a request's header is to be believed but a
		// token.
		conn, err = nats.Connect(s.cfg.NATSURL, s.externalOptions("tokenledger validate "+s.identity.Node)...)
		if err != nil {
			err = fmt.Errorf("connect to the NATS server of --nats-url: %w", err)
		}
	case s.broker.ClientURL() == "":
		return nil
	default:
		conn, err = s.broker.Connect(nats.Name("tokenledger validate"))
		caller = s.natsCaller
	}
	if err != nil {
		return err
	}
	service, err := natsapi.Start(natsapi.Config{
		Conn: conn, Ledger: door, Caller: caller, Logger: s.cfg.Logger, Observe: s.metrics.NATS(), Version: s.cfg.Version,
	})
	if err != nil {
		conn.Close()
		return err
	}
	s.onStop(func() { service.Stop(); conn.Close() })
	return nil
}

// natsCaller tells who sent a request to the embedded server.
func (s *Server) natsCaller(h nats.Header) (natsapi.Caller, bool) {
	who, ok := s.broker.Requester(h)
	if !ok {
		return natsapi.Caller{}, false
	}
	id, err := ulid.ParseStrict(who.Name)
	return natsapi.Caller{Token: id, Host: who.Host, Client: who.Client}, err == nil
}
