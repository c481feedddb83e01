package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
)

// duplicates is the time in which the server knows a message id again. It keeps
// every id in memory so long (some 170 bytes each), and a repeated publication
// comes within three quarters of it: after that, its outcome is called unknown.
const duplicates = 30 * time.Second

// streamConfig is the stream of a new ledger.
func streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        Stream,
		Description: "tokenledger: every event of the ledger, in order. Do not edit, purge or delete.",
		Subjects:    []string{events.SubjectPrefix + "*.*"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		MaxMsgs:     -1,
		MaxBytes:    -1,
		Replicas:    replicas,
		DenyDelete:  true,
		DenyPurge:   true,
		// Several events at once, all or none.
		AllowAtomicPublish: true,
		AllowDirect:        true,
		Duplicates:         duplicates,
		// A generated token takes 191 bytes on disk with S2 and 915 without.
		// Appending in batches of 1,000 costs a tenth to a fifth more CPU with it
		// (32 to 29 µs an event, client and server), reading the same.
		Compression: jetstream.S2Compression,
		RePublish:   republish(),
	}
}

// Ensure creates the stream if it does not exist, and checks it if it does. It
// can be called any number of times, by several nodes at once. A stream whose
// configuration breaks the guarantees is a [*StreamConfigError]; it is not
// changed. While the cluster has no leader or too few servers Ensure tries again,
// until ctx ends (30 s if it has no deadline).
func (s *Store) Ensure(ctx context.Context) error {
	err := untilAvailable(ctx, func(ctx context.Context) error {
		info, err := s.ensureOnce(ctx)
		if err != nil {
			return err
		}
		s.commits.known(info)
		if info.Config.Replicas < s.replicas {
			s.logger.Warn("the stream has fewer replicas than configured; the stream was left as it is",
				"stream", Stream, "replicas", info.Config.Replicas, "configured", s.replicas)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set up the stream: %w", err)
	}
	return nil
}

// untilAvailable calls do until it gives something else than ErrUnavailable, or
// ctx ends (30 s if it has no deadline).
func untilAvailable(ctx context.Context, do func(context.Context) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := do(ctx)
		if err == nil || errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (s *Store) ensureOnce(ctx context.Context) (*jetstream.StreamInfo, error) {
	// One request must not use up all the time there is: before a cluster has a
	// leader, requests are dropped.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := s.info(ctx)
	if errors.Is(err, ErrNoStream) {
		var stream jetstream.Stream
		stream, err = s.js.CreateStream(ctx, streamConfig(s.replicas))
		switch {
		case err == nil:
			info = stream.CachedInfo()
		case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
			// Another node was faster.
			info, err = s.info(ctx)
		default:
			if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == codeNoPeers {
				err = unavailable(api)
			}
			err = classify(err)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := checkStream(info.Config); err != nil {
		return info, err
	}
	return info, checkRestored(info)
}

// checkStream reports what in the configuration of a stream that exists breaks
// the guarantees. Compression, replicas, placement, republishing and direct access
// are the operator's choice.
func checkStream(c jetstream.StreamConfig) error {
	want := streamConfig(1)
	var problems []string
	wrong := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	wrong(!slices.Equal(c.Subjects, want.Subjects), "its subjects are %q, not %q", c.Subjects, want.Subjects)
	wrong(c.Storage != jetstream.FileStorage, "it is kept in memory, not in files")
	wrong(c.Retention != jetstream.LimitsPolicy, "its retention is %v, not limits", c.Retention)
	wrong(c.MaxAge != 0, "it drops events after %v (max age)", c.MaxAge)
	wrong(c.MaxMsgs > 0, "it keeps %d messages only", c.MaxMsgs)
	wrong(c.MaxBytes > 0, "it keeps %d bytes only", c.MaxBytes)
	wrong(c.MaxMsgsPerSubject > 0, "it keeps %d messages of a subject only", c.MaxMsgsPerSubject)
	wrong(c.MaxMsgSize > 0 && c.MaxMsgSize < maxMessage, "it refuses messages above %d bytes; events may need %d", c.MaxMsgSize, maxMessage)
	wrong(!c.DenyDelete, "it lets messages be deleted (deny delete is off)")
	wrong(!c.DenyPurge, "it lets itself be purged (deny purge is off)")
	wrong(!c.AllowAtomicPublish, "it takes no atomic batches (allow atomic publish is off)")
	wrong(c.AllowRollup, "it lets messages replace others (allow rollup is on)")
	wrong(c.AllowMsgTTL || c.SubjectDeleteMarkerTTL != 0, "it lets messages expire (allow message TTL is on)")
	wrong(c.AllowMsgSchedules || c.AllowMsgCounter, "it changes messages (schedules or counters are on)")
	wrong(c.NoAck, "it does not acknowledge (no ack is on)")
	wrong(c.PersistMode == jetstream.AsyncPersistMode, "it acknowledges before it writes (persist mode is async)")
	wrong(c.Sealed, "it is sealed")
	wrong(c.Mirror != nil || len(c.Sources) > 0, "it takes its messages from other streams")
	wrong(c.SubjectTransform != nil, "it changes subjects")
	wrong(c.FirstSeq > 1, "it begins at sequence %d, not 1", c.FirstSeq)
	wrong(c.Duplicates < 30*time.Second, "its duplicates window is %v; a repeated publication needs 30 s or more", c.Duplicates)
	if problems != nil {
		return &StreamConfigError{Problems: problems}
	}
	return nil
}

// Check is Ensure without its making: it reports whether the stream that exists is fit
// for a ledger. Errors: a [*StreamConfigError], [ErrNoStream], ErrUnavailable.
func (s *Store) Check(ctx context.Context) error {
	info, err := s.info(ctx)
	if err != nil {
		return err
	}
	if err := checkStream(info.Config); err != nil {
		return err
	}
	return checkRestored(info)
}
