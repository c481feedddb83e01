package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
)

// republish has the server publish a copy of each revocation once it is stored, for
// subscribers without JetStream: on revocations.<tenant>, with the event's sequence and
// that of the tenant's revocation before it in the headers Nats-Sequence and
// Nats-Last-Sequence. Subscribers see by them that they have missed one.
func republish() *jetstream.RePublish {
	return &jetstream.RePublish{
		Source:      events.SubjectPrefix + "*.revoked",
		Destination: events.RevocationsPrefix + "{{wildcard(1)}}",
	}
}

// Republish sees to it that the stream publishes its revocations again, as a stream
// made by Ensure does. Streams of earlier builds do not. With change it is told to;
// without, a stream that does not is left as it is, and the log says what is to be
// done. Errors: [ErrNoStream], ErrUnavailable, or what the server has against it.
func (s *Store) Republish(ctx context.Context, change bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	info, err := s.info(ctx)
	if err != nil {
		return fmt.Errorf("have the stream publish revocations again: %w", err)
	}
	cfg, want := info.Config, republish()
	if cfg.RePublish != nil && *cfg.RePublish == *want {
		return nil
	}
	if !change {
		s.logger.Warn("the stream does not publish revocations again, so subscribers to "+events.RevocationsPrefix+"> hear none; the stream was left as it is, and docs/nats.md says how to set it",
			"stream", Stream, "republish_source", want.Source, "republish_destination", want.Destination)
		return nil
	}
	cfg.RePublish = want
	if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("have the stream publish revocations again: %w", classify(err))
	}
	s.logger.Info("the stream publishes revocations again from now on", "stream", Stream, "subjects", events.RevocationsPrefix+">")
	return nil
}
