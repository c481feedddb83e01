package eventstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/tokenledger/tokenledger/events"
)

// A restored stream
//
// A stream that was lost is made anew from an archive, which has the time at which the
// broker received each event the first time. The new broker gives new times; with
// those, every leaf of the audit log would be another. So each restored message bears
// its first time of arrival in a header, and the stream's configuration says how far
// the restored run reaches: its metadata has "ledger-restored", the last sequence of
// the run. The header counts at the sequences up to that, and nowhere else. Whoever may
// publish may set the header, but not the configuration: in a live ledger nobody can
// choose an event's time of arrival. And it takes no reading of what lies before an
// event to know its time: every node, from wherever it starts, decides the same.
const (
	// ReceivedHeader is the header of a restored message that has the time at which
	// the event was received first, as RFC 3339 in UTC with nine digits.
	ReceivedHeader = "Ledger-Received"
	// restoredKey is the key in the stream's metadata.
	restoredKey = "ledger-restored"

	receivedFormat = "2006-01-02T15:04:05.000000000Z"
)

// restoredOf gives the last sequence of the restored run; 0 if there is none. ok is
// false if the stream's metadata does not say it in the way that it is written.
func restoredOf(c jetstream.StreamConfig) (last uint64, ok bool) {
	text, is := c.Metadata[restoredKey]
	if !is {
		return 0, true
	}
	last, err := strconv.ParseUint(text, 10, 64)
	return last, err == nil && last > 0 && strconv.FormatUint(last, 10) == text
}

// checkRestored refuses a stream whose restore came to no end: the next event would
// take the place of one that is in the archive.
func checkRestored(info *jetstream.StreamInfo) error {
	want, ok := restoredOf(info.Config)
	if !ok {
		return &StreamConfigError{Problems: []string{fmt.Sprintf("its metadata has %q where %q is the last restored sequence", info.Config.Metadata[restoredKey], restoredKey)}}
	}
	if info.State.LastSeq < want {
		return &StreamConfigError{Problems: []string{fmt.Sprintf("it was being restored from an archive, and that stopped at %d of %d events: delete it and restore it again", info.State.LastSeq, want)}}
	}
	return nil
}

// restoredLast gives the last sequence of the restored run, from what was last heard
// of the stream.
func (s *Store) restoredLast(ctx context.Context) (uint64, error) {
	if n := s.restored.Load(); n != nil {
		return *n, nil
	}
	info, err := s.info(ctx)
	if err != nil {
		return 0, err
	}
	last, _ := restoredOf(info.Config)
	return last, nil
}

// receivedAt gives the time of arrival of a message: the broker's, or that of its
// header in the restored run.
func receivedAt(seq uint64, h nats.Header, broker time.Time, restored uint64) time.Time {
	if seq > restored {
		return broker.UTC()
	}
	text := h.Get(ReceivedHeader)
	t, err := time.Parse(receivedFormat, text)
	if err != nil || t.Format(receivedFormat) != text { // Parse takes a comma for the point, too
		return broker.UTC()
	}
	return t
}

// Restoring fills a stream with what an archive has. It is for one goroutine.
type Restoring struct {
	store     *Store
	want      uint64 // the last sequence
	last      uint64 // what is stored
	expecting time.Duration
}

// CreateRestored makes the stream for events of the sequences 1 to last, or takes one
// that exists and is empty, and gives what fills it. Until all of them are there the
// stream is not fit for a ledger, and [Store.Ensure] says so. Errors: [ErrNotEmpty],
// a [*StreamConfigError], ErrUnavailable.
func (s *Store) CreateRestored(ctx context.Context, last uint64) (*Restoring, error) {
	if last == 0 {
		return nil, errors.New("restore the stream: there are no events to restore")
	}
	err := untilAvailable(ctx, func(ctx context.Context) error { return s.createRestored(ctx, last) })
	if err != nil {
		return nil, fmt.Errorf("restore the stream: %w", err)
	}
	return &Restoring{store: s, want: last, expecting: 30 * time.Second}, nil
}

func (s *Store) createRestored(ctx context.Context, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := s.info(ctx)
	if errors.Is(err, ErrNoStream) {
		cfg := streamConfig(s.replicas)
		cfg.Metadata = map[string]string{restoredKey: strconv.FormatUint(last, 10)}
		if _, err := s.js.CreateStream(ctx, cfg); err != nil {
			return classify(err)
		}
		s.restored.Store(&last)
		return nil
	}
	if err != nil {
		return err
	}
	if info.State.LastSeq > 0 {
		return ErrNotEmpty
	}
	cfg := info.Config
	if err := checkStream(cfg); err != nil {
		return err
	}
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = map[string]string{}
	}
	cfg.Metadata[restoredKey] = strconv.FormatUint(last, 10)
	if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
		return classify(err)
	}
	s.restored.Store(&last)
	return nil
}

// Append stores events of the archive: those that follow on what was stored before, in
// order. Seq, Received, Subject and Raw of each count. When it returns without an
// error they are durable as those of [Store.Append] are. After an error the stream is
// to be deleted and restored anew.
func (w *Restoring) Append(ctx context.Context, evs []events.Recorded) error {
	var batch []*nats.Msg
	bytes := 0
	for i, e := range evs {
		if want := w.last + uint64(len(batch)) + 1; e.Seq != want || e.Seq > w.want {
			return fmt.Errorf("restore the stream: it was made for the sequences 1 to %d and has %d, and was given %d", w.want, want-1, e.Seq)
		}
		batch = append(batch, &nats.Msg{Subject: e.Subject, Data: e.Raw, Header: nats.Header{
			"Content-Type": {events.ContentType},
			ReceivedHeader: {e.Received.UTC().Format(receivedFormat)},
		}})
		bytes += len(e.Raw) + len(e.Subject)
		if i == len(evs)-1 || len(batch) == MaxEvents || bytes >= maxBatchBytes {
			if err := w.storeBatch(ctx, batch); err != nil {
				return fmt.Errorf("restore the stream behind sequence %d: %w", w.last, err)
			}
			batch, bytes = nil, 0
		}
	}
	return nil
}

// Done reports whether all is stored.
func (w *Restoring) Done() bool { return w.last == w.want }

// storeBatch stores one batch, with as many tries as an answer takes.
func (w *Restoring) storeBatch(ctx context.Context, batch []*nats.Msg) error {
	const tries = 5
	after := w.last + uint64(len(batch))
	for try := 1; ; try++ {
		err := w.publish(ctx, batch)
		if err == nil {
			w.last = after
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// All of them are there or none, and only behind what was there before.
		st, stateErr := w.store.State(ctx)
		switch {
		case stateErr == nil && st.Last == after:
			w.last = after
			return nil
		case stateErr == nil && w.last < st.Last && st.Last < after && errors.Is(err, ErrUnavailable):
			return fmt.Errorf("the stream has taken %d of the %d events that go in together, and takes no more: its disk is full, or failing: %w", st.Last-w.last, after-w.last, err)
		case stateErr == nil && st.Last != w.last:
			return fmt.Errorf("the stream has %d events where it should have %d: somebody else publishes to it, or deletes it: %w", st.Last, w.last, err)
		case try == tries:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 200 * time.Millisecond):
		}
	}
}

// publish sends one batch, which its last message commits.
func (w *Restoring) publish(ctx context.Context, batch []*nats.Msg) error {
	id := nuid.Next()
	ctx, cancel := context.WithTimeout(ctx, w.expecting)
	defer cancel()
	for i, m := range batch {
		clearBatch(m)
		delete(m.Header, jetstream.ExpectedLastSeqHeader)
		setBatch(m, id, i+1)
		if i == 0 {
			m.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(w.last, 10)}
		}
		if i < len(batch)-1 {
			if err := w.store.nc.PublishMsg(m); err != nil {
				return classify(err)
			}
			continue
		}
		m.Header[batchCommitHeader] = []string{commitLast}
		answer, err := w.store.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return classify(err)
		}
		ack, err := parseAck(answer)
		if err != nil {
			return classify(err)
		}
		if want := w.last + uint64(len(batch)); ack.Seq != want {
			return fmt.Errorf("the stream stored the events up to sequence %d, not %d: somebody else publishes to it", ack.Seq, want)
		}
	}
	return nil
}
