package eventstore

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Connect connects to a NATS server for one piece of work: what goes wrong with the
// connection shows in what is asked over it. creds is a file, or empty. The caller
// closes the connection.
func Connect(url, creds, name string) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(name), nats.MaxReconnects(5), nats.ReconnectBufSize(-1),
		// Without a handler the client writes to standard error.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	if creds != "" {
		options = append(options, nats.UserCredentials(creds))
	}
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the NATS server of --nats-url: %w; check that it runs, and that --nats-creds are right", err)
	}
	return nc, nil
}
