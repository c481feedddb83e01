package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Stream is the name of the ledger's stream.
const Stream = "LEDGER"

// Config says how to reach the stream.
type Config struct {
	// Conn stays the caller's: Close does not close it. Give one that reconnects
	// for ever, and nats.ReconnectBufSize(-1): then what is appended while
	// there is no connection is refused at once.
	Conn *nats.Conn
	// Replicas of a stream that Ensure creates. 0 means 1.
	Replicas int
	// Logger receives what went wrong and was mended. Nil: nothing is logged.
	Logger *slog.Logger
	// AckWait is how long to wait for an answer to a publication before the
	// stream is searched for the event. 0 means 5 s.
	AckWait time.Duration
	// ResolveWait bounds, from the first publication, how long the outcome
	// is looked for if the caller's context ends later. 0 means 30 s. It is
	// kept below the stream's duplicates window.
	ResolveWait time.Duration
}

// Store is the ledger's stream. Its methods are safe for concurrent use.
type Store struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	logger   *slog.Logger
	replicas int
	commits  *committer
	restored atomic.Pointer[uint64] // last sequence of the restored run, as last heard
}

// Open prepares the use of a stream. It asks the server nothing. Close ends what
// it started.
func Open(cfg Config) (*Store, error) {
	if cfg.Conn == nil {
		return nil, errors.New("open event store: no connection is given")
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	s := &Store{
		nc:       cfg.Conn,
		js:       js,
		logger:   cfg.Logger,
		replicas: max(cfg.Replicas, 1),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.AckWait <= 0 {
		cfg.AckWait = 5 * time.Second
	}
	if cfg.ResolveWait <= 0 {
		cfg.ResolveWait = 30 * time.Second
	}
	s.commits, err = startCommitter(s, cfg)
	if err != nil {
		return nil, fmt.Errorf("open event store: %w", classify(err))
	}
	return s, nil
}

// Close ends the store. Appends that wait get ErrClosed, or ErrUnknownOutcome if
// they were sent. The connection stays open. A second call does nothing.
func (s *Store) Close() { s.commits.close() }

// State is what the stream holds.
type State struct {
	// First and Last are sequences. On an empty stream that never had an event,
	// both are 0.
	First, Last uint64
	// Messages is the number of events; without gaps it is Last-First+1.
	Messages uint64
	// Deleted is the number of sequences between First and Last that have no
	// event. On a ledger it is 0.
	Deleted int
	// Created is when the stream was made. Another time is another stream.
	Created time.Time
	// Restored is the last sequence of what was restored from an archive; 0 if
	// nothing was.
	Restored uint64
}

// State asks the stream's leader, now. Errors: ErrNoStream, ErrUnavailable.
func (s *Store) State(ctx context.Context) (State, error) {
	info, err := s.info(ctx)
	if err != nil {
		return State{}, fmt.Errorf("ask for the state of the stream: %w", err)
	}
	return stateOf(info), nil
}

func (s *Store) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	// Stream asks for the stream's information.
	stream, err := s.js.Stream(ctx, Stream)
	if err != nil {
		return nil, classify(err)
	}
	info := stream.CachedInfo()
	restored, _ := restoredOf(info.Config)
	s.restored.Store(&restored)
	return info, nil
}

func stateOf(info *jetstream.StreamInfo) State {
	st := info.State
	restored, _ := restoredOf(info.Config)
	return State{First: st.FirstSeq, Last: st.LastSeq, Messages: st.Msgs, Deleted: st.NumDeleted, Created: info.Created, Restored: restored}
}
