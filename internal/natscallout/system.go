package natscallout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// The system account's requests that are made of servers. The node's user there needs to
// publish no more than these.
const (
	kickSubject  = "$SYS.REQ.SERVER.%s.KICK"
	connsSubject = "$SYS.REQ.SERVER.%s.CONNZ"
	connsOfAll   = "$SYS.REQ.SERVER.PING.CONNZ"
)

const (
	// askFor bounds the wait for one server's answer.
	askFor = 2 * time.Second
	// quiet is how long nothing may come before all servers count as having answered.
	quiet = time.Second
	// pageOf is how many connections are asked for at once.
	pageOf = 512
	// mostPages and mostServers bound a round.
	mostPages, mostServers = 4096, 1024
)

// system asks the servers by way of their system account.
type system struct{ conn *nats.Conn }

// answerOf is how every answer of a server begins.
type answerOf[T any] struct {
	Server struct {
		ID string `json:"id"`
	} `json:"server"`
	Data  T `json:"data"`
	Error *struct {
		Description string `json:"description"`
	} `json:"error"`
}

// connections of one server, a page of them.
type connections struct {
	Connections []struct {
		CID     uint64 `json:"cid"`
		User    string `json:"authorized_user"`
		Account string `json:"account"`
	} `json:"connections"`
}

type connectionsAsked struct {
	Auth   bool   `json:"auth"`
	Sort   string `json:"sort"`
	Limit  int    `json:"limit"`
	Offset int    `json:"offset"`
}

// check finds out whether the connection is one into the system account.
func (y system) check(ctx context.Context) error {
	_, err := y.page(ctx, y.conn.ConnectedServerId(), 0, 1)
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		return errors.New("they are not of the server's system account, or may not publish to " + connsOfAll + ", $SYS.REQ.SERVER.*.CONNZ and $SYS.REQ.SERVER.*.KICK there")
	}
	return err
}

// kick ends a connection. One that is gone, or whose server is, is no error.
func (y system) kick(ctx context.Context, c connection) error {
	body, err := json.Marshal(struct {
		CID uint64 `json:"cid"`
	}{c.client})
	if err != nil {
		return err
	}
	a, err := ask[json.RawMessage](ctx, y.conn, fmt.Sprintf(kickSubject, c.server), body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil // the server stopped, and its connections with it
	case err != nil:
		return err
	case a.Error != nil && !strings.Contains(a.Error.Description, "no such client"):
		return errors.New(a.Error.Description)
	}
	return nil
}

// page gives connections of one server, in the order in which they came.
func (y system) page(ctx context.Context, server string, offset, limit int) (connections, error) {
	body, err := json.Marshal(connectionsAsked{Auth: true, Sort: "cid", Limit: limit, Offset: offset})
	if err != nil {
		return connections{}, err
	}
	a, err := ask[connections](ctx, y.conn, fmt.Sprintf(connsSubject, server), body)
	if err == nil && a.Error != nil {
		err = errors.New(a.Error.Description)
	}
	return a.Data, err
}

// servers gives the ids of the servers that answer.
func (y system) servers(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*quiet)
	defer cancel()
	inbox := y.conn.NewInbox()
	sub, err := y.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	body, err := json.Marshal(connectionsAsked{Auth: true, Sort: "cid", Limit: 1})
	if err != nil {
		return nil, err
	}
	if err := y.conn.PublishRequest(connsOfAll, inbox, body); err != nil {
		return nil, err
	}
	var ids []string
	for len(ids) < mostServers {
		m, err := next(ctx, sub)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
		if a, err := read[connections](m); err == nil && nkeys.IsValidPublicServerKey(a.Server.ID) {
			ids = append(ids, a.Server.ID)
		}
	}
	return ids, nil
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

func ask[T any](ctx context.Context, nc *nats.Conn, subject string, body []byte) (answerOf[T], error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return answerOf[T]{}, err
	}
	return read[T](m)
}

func read[T any](m *nats.Msg) (a answerOf[T], err error) {
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return a, fmt.Errorf("read a server's answer: %w", err)
	}
	return a, nil
}
