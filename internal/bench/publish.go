package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// publisher is the floor of what writes: single messages, each acknowledged when
// it is synced, on a server of the same kind with a plain stream.
type publisher struct {
	broker  *natsserver.Server
	conn    *nats.Conn
	js      jetstream.JetStream
	payload []byte
}

const floorSubject = "floor.published"

// startPublisher publishes payload to a stream in dir.
func (b *bench) startPublisher(ctx context.Context, dir string, payload []byte) (_ *publisher, err error) {
	p := &publisher{payload: payload}
	if p.broker, err = natsserver.Start(natsserver.Config{StoreDir: filepath.Join(dir, "floor"), ServerName: "floor", Logger: b.Logger}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.conn, err = p.broker.Connect(); err != nil {
		return nil, err
	}
	if p.js, err = jetstream.New(p.conn); err != nil {
		return nil, err
	}
	_, err = p.js.CreateStream(ctx, jetstream.StreamConfig{Name: "FLOOR", Subjects: []string{floorSubject}, Storage: jetstream.FileStorage, AllowAtomicPublish: true})
	if err != nil {
		return nil, fmt.Errorf("create the floor's stream: %w", err)
	}
	return p, nil
}

func (p *publisher) close() {
	if p.conn != nil {
		p.conn.Close()
	}
	p.broker.Shutdown()
}

// publish gives the slice of n callers.
func (p *publisher) publish(n int) slice {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return callers(ctx, n, d, func(ctx context.Context, _ int) error {
			_, err := p.js.PublishMsg(ctx, &nats.Msg{Subject: floorSubject, Data: p.payload})
			if err != nil {
				return fmt.Errorf("publish a message of the floor: %w", err)
			}
			return nil
		})
	}
}
