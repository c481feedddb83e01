package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
)

// Get reads one event. Errors: ErrNotFound, [*DecodeError], ErrUnavailable.
func (s *Store) Get(ctx context.Context, seq uint64) (events.Recorded, error) {
	r, err := s.get(ctx, seq)
	if err != nil {
		return r, fmt.Errorf("get event %d: %w", seq, err)
	}
	return r, nil
}

func (s *Store) get(ctx context.Context, seq uint64) (events.Recorded, error) {
	if seq == 0 {
		return events.Recorded{}, ErrNotFound
	}
	request := fmt.Appendf(nil, `{"seq":%d}`, seq)
	msg, err := s.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+Stream, request)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		// Direct access may be off; the leader also says so if there is no stream.
		return s.getFromLeader(ctx, seq)
	case err != nil:
		return events.Recorded{}, classify(err)
	}
	switch status := msg.Header.Get("Status"); status {
	case "":
	case "404":
		// A replica answers, which may lag behind the leader.
		return s.getFromLeader(ctx, seq)
	default:
		return events.Recorded{}, unavailable(fmt.Errorf("the server answers %s %s", status, msg.Header.Get("Description")))
	}
	got, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil || got != seq {
		return events.Recorded{}, fmt.Errorf("the server gave event %q for %d", msg.Header.Get(jetstream.SequenceHeader), seq)
	}
	received, err := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return events.Recorded{}, fmt.Errorf("the server gave a time that is none: %w", err)
	}
	return recorded(seq, received, msg.Header.Get(jetstream.SubjectHeader), msg.Data)
}

func recorded(seq uint64, received time.Time, subject string, raw []byte) (events.Recorded, error) {
	e, err := events.Decode(raw)
	if err == nil {
		err = checkSubject(subject, e)
	}
	if err != nil {
		return events.Recorded{}, &DecodeError{Seq: seq, Err: err}
	}
	return events.Recorded{Seq: seq, Received: received.UTC(), Subject: subject, Raw: raw, Event: e}, nil
}

// checkSubject refuses an event that lies on another's subject: who may publish for one
// tenant, or one kind of events, could pass it off for something else.
func checkSubject(subject string, e events.Event) error {
	if want := events.StreamSubject(e); subject != want {
		return fmt.Errorf("it lies on the subject %s and belongs on %s", subject, want)
	}
	return nil
}

func (s *Store) getFromLeader(ctx context.Context, seq uint64) (events.Recorded, error) {
	m, err := s.leaderMessage(ctx, fmt.Appendf(nil, `{"seq":%d}`, seq))
	if err != nil {
		return events.Recorded{}, err
	}
	return recorded(m.Seq, m.Time, m.Subject, m.Data)
}

// nextFrom gives the first sequence from seq on that the leader has.
func (s *Store) nextFrom(ctx context.Context, seq uint64) (uint64, error) {
	m, err := s.leaderMessage(ctx, fmt.Appendf(nil, `{"seq":%d,"next_by_subj":"%s>"}`, seq, events.SubjectPrefix))
	return m.Seq, err
}

// storedMessage is a message as the JetStream API gives it.
type storedMessage struct {
	Subject string    `json:"subject"`
	Seq     uint64    `json:"seq"`
	Data    []byte    `json:"data"`
	Time    time.Time `json:"time"`
}

// leaderMessage asks the stream's leader for a message.
func (s *Store) leaderMessage(ctx context.Context, request []byte) (storedMessage, error) {
	reply, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+Stream, request)
	if err != nil {
		return storedMessage{}, classify(err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message storedMessage       `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return storedMessage{}, fmt.Errorf("read the server's answer: %w", err)
	}
	switch {
	case answer.Error == nil:
		return answer.Message, nil
	case answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return storedMessage{}, ErrNotFound
	case answer.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return storedMessage{}, ErrNoStream
	}
	return storedMessage{}, classify(answer.Error)
}
