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
	m, err := s.message(ctx, seq)
	if err != nil {
		return events.Recorded{}, err
	}
	e, err := m.Event(new(events.Decoder))
	if err != nil {
		return events.Recorded{}, err
	}
	return events.Recorded{Seq: seq, Received: m.Received, Subject: m.Subject, Raw: m.Raw, Event: e}, nil
}

// message reads what lies at a sequence, event or not.
func (s *Store) message(ctx context.Context, seq uint64) (Stored, error) {
	if seq == 0 {
		return Stored{}, ErrNotFound
	}
	request := fmt.Appendf(nil, `{"seq":%d}`, seq)
	msg, err := s.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+Stream, request)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		// Direct access may be off; the leader also says so if there is no stream.
		return s.messageFromLeader(ctx, seq)
	case err != nil:
		return Stored{}, classify(err)
	}
	switch status := msg.Header.Get("Status"); status {
	case "":
	case "404":
		// A replica answers, which may lag behind the leader.
		return s.messageFromLeader(ctx, seq)
	default:
		return Stored{}, unavailable(fmt.Errorf("the server answers %s %s", status, msg.Header.Get("Description")))
	}
	got, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil || got != seq {
		return Stored{}, fmt.Errorf("the server gave event %q for %d", msg.Header.Get(jetstream.SequenceHeader), seq)
	}
	received, err := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return Stored{}, fmt.Errorf("the server gave a time that is none: %w", err)
	}
	return s.stored(ctx, seq, msg.Header, received, msg.Header.Get(jetstream.SubjectHeader), msg.Data)
}

// checkSubject refuses an event that lies on another's subject: who may publish for one
// tenant, or one kind of events, could pass it off for something else.
func checkSubject(subject string, e events.Event) error {
	if want := events.StreamSubject(e); subject != want {
		return fmt.Errorf("it lies on the subject %s and belongs on %s", subject, want)
	}
	return nil
}

func (s *Store) messageFromLeader(ctx context.Context, seq uint64) (Stored, error) {
	m, err := s.leaderMessage(ctx, fmt.Appendf(nil, `{"seq":%d}`, seq))
	if err != nil {
		return Stored{}, err
	}
	var h nats.Header
	if len(m.Headers) > 0 {
		if h, err = nats.DecodeHeadersMsg(m.Headers); err != nil {
			return Stored{}, fmt.Errorf("read the headers of event %d: %w", seq, err)
		}
	}
	return s.stored(ctx, m.Seq, h, m.Time, m.Subject, m.Data)
}

// stored puts a message together. Only one that bears the header needs to know how far
// the stream was restored.
func (s *Store) stored(ctx context.Context, seq uint64, h nats.Header, received time.Time, subject string, raw []byte) (Stored, error) {
	var restored uint64
	if h.Get(ReceivedHeader) != "" {
		var err error
		if restored, err = s.restoredLast(ctx); err != nil {
			return Stored{}, err
		}
	}
	return Stored{seq, receivedAt(seq, h, received, restored), subject, raw}, nil
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
	Headers []byte    `json:"hdrs"`
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
