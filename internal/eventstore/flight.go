package eventstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// The headers of an atomic batch (ADR-50 of NATS).
const (
	batchIDHeader     = "Nats-Batch-Id"
	batchSeqHeader    = "Nats-Batch-Sequence"
	batchCommitHeader = "Nats-Batch-Commit"
	// commitEnd commits a batch by a message that is no part of it.
	commitEnd = "eob"
	// commitLast commits a batch by its last message.
	commitLast = "1"
)

// flight is one publication: a single event or a batch.
type flight struct {
	token    uint64
	batch    string // its id; "" for a single event
	requests []*request
	events   int
	bytes    int
	sentAt   time.Time // when the server was last sent something to answer

	staged    bool // guarded by committer.mu; the first message is acknowledged
	committed bool // guarded by committer.mu; set before the commit is sent
	answered  bool // guarded by committer.mu; it is out of committer.flights
	err       error
}

// mayBeStored reports whether the server may have stored it. A batch that was not
// committed never is.
func (f *flight) mayBeStored() bool { return f.batch == "" || f.committed }

func (f *flight) fits(r *request) bool {
	return f.events+len(r.msgs) <= MaxEvents && f.bytes+r.bytes <= maxBatchBytes
}

func flightsOf(m map[uint64]*flight) []*flight {
	all := make([]*flight, 0, len(m))
	for _, f := range m {
		all = append(all, f)
	}
	return all
}

func (c *committer) newFlight(batch string) *flight {
	c.token++
	return &flight{token: c.token, batch: batch, sentAt: time.Now()}
}

// launch registers a flight, so that its answer finds it. Nothing of it is sent
// before.
func (c *committer) launch(f *flight) {
	c.mu.Lock()
	c.flights[f.token] = f
	if f.batch == "" {
		c.singles++
	} else {
		c.batches++
	}
	c.mu.Unlock()
}

// land takes f out of flight. It gives false if it was out already. mu is held.
func (c *committer) land(f *flight) bool {
	if f.answered {
		return false
	}
	f.answered = true
	delete(c.flights, f.token)
	if f.batch == "" {
		c.singles--
	} else {
		c.batches--
	}
	if c.blocked {
		signal(c.wake)
	}
	return true
}

// The first letter of a reply subject's last token says what it answers.
const (
	replyToFirst = "f"
	replyToWhole = "w"
)

// reply is the subject of an answer: to a batch's first message or to the whole.
func (c *committer) reply(f *flight, toFirst bool) string {
	kind := replyToWhole
	if toFirst {
		kind = replyToFirst
	}
	return c.inbox + kind + strconv.FormatUint(f.token, 36)
}

// board puts r into f. It gives false if the caller took it back.
func (c *committer) board(f *flight, r *request) bool {
	if !r.state.CompareAndSwap(queued, sending) && r.state.Load() == givenUp {
		return false
	}
	if r.sent.IsZero() {
		r.sent, r.base = f.sentAt, c.tip.Load()
	}
	f.requests = append(f.requests, r)
	f.events += len(r.msgs)
	f.bytes += r.bytes
	return true
}

func (c *committer) sendSingle(r *request) {
	f := c.newFlight("")
	if !c.board(f, r) {
		return
	}
	c.launch(f)
	m := r.msgs[0]
	clearBatch(m)
	m.Reply = c.reply(f, false)
	if err := c.nc.PublishMsg(m); err != nil {
		c.failed(f, err)
	}
}

// sendWhole sends the events of one caller as a batch that nobody joins.
func (c *committer) sendWhole(r *request) {
	f := c.newFlight(nuid.Next())
	f.committed = true
	if !c.board(f, r) {
		return
	}
	c.launch(f)
	for i, m := range r.msgs {
		clearBatch(m)
		setBatch(m, f.batch, i+1)
		if i == len(r.msgs)-1 {
			m.Header[batchCommitHeader] = []string{commitLast}
			m.Reply = c.reply(f, false)
		}
		if err := c.nc.PublishMsg(m); err != nil {
			if i < len(r.msgs)-1 {
				c.setCommitted(f, false)
			}
			c.failed(f, err)
			return
		}
	}
}

func (c *committer) openBatch(r *request) {
	f := c.newFlight(nuid.Next())
	if !c.board(f, r) {
		return
	}
	c.launch(f)
	c.open = f
	c.send(r, 1)
}

// add sends the events of r as the next of the open batch.
func (c *committer) add(r *request) {
	next := c.open.events + 1
	if c.board(c.open, r) {
		c.send(r, next)
	}
}

func (c *committer) send(r *request, next int) {
	f := c.open
	for i, m := range r.msgs {
		clearBatch(m)
		setBatch(m, f.batch, next+i)
		if next+i == 1 {
			m.Reply = c.reply(f, true)
		}
		if err := c.nc.PublishMsg(m); err != nil {
			c.open = nil
			c.failed(f, err)
			return
		}
	}
	if f.events == MaxEvents || f.bytes >= maxBatchBytes {
		c.commit()
	}
}

func (c *committer) commitIfStaged() {
	if c.open == nil {
		return
	}
	c.mu.Lock()
	staged, gone := c.open.staged, c.open.answered
	c.mu.Unlock()
	switch {
	case gone:
		c.open = nil
	case staged:
		c.commit()
	}
}

// commit ends the open batch.
func (c *committer) commit() {
	f := c.open
	c.open = nil
	f.sentAt = time.Now()
	c.setCommitted(f, true)
	m := &nats.Msg{
		Subject: f.requests[0].msgs[0].Subject, // on the stream; its content is not stored
		Reply:   c.reply(f, false),
		Header:  nats.Header{batchCommitHeader: {commitEnd}},
	}
	setBatch(m, f.batch, f.events+1)
	if err := c.nc.PublishMsg(m); err != nil {
		c.failed(f, err)
	}
}

func setBatch(m *nats.Msg, id string, seq int) {
	m.Header[batchIDHeader] = []string{id}
	m.Header[batchSeqHeader] = []string{strconv.Itoa(seq)}
}

func clearBatch(m *nats.Msg) {
	m.Reply = ""
	delete(m.Header, batchIDHeader)
	delete(m.Header, batchSeqHeader)
	delete(m.Header, batchCommitHeader)
}

func (c *committer) setCommitted(f *flight, is bool) {
	c.mu.Lock()
	f.committed = is
	c.mu.Unlock()
}

// failed ends a flight that the connection did not take whole.
func (c *committer) failed(f *flight, err error) {
	c.mu.Lock()
	landed := c.land(f)
	unsent := !f.mayBeStored() ||
		errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionClosed) ||
		errors.Is(err, nats.ErrConnectionDraining) || errors.Is(err, nats.ErrMaxPayload) ||
		errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrHeadersNotSupported)
	c.mu.Unlock()
	if !landed {
		return
	}
	for _, r := range f.requests {
		if unsent {
			c.notPublished(r, unavailable(fmt.Errorf("the events could not be sent: %w", err)))
		} else {
			c.resolveLater(r, err)
		}
	}
}

// pubAck is the answer to a publication.
type pubAck struct {
	Error  *jetstream.APIError `json:"error"`
	Stream string              `json:"stream"`
	Seq    uint64              `json:"seq"`
	Count  int                 `json:"count"`
}

func parseAck(m *nats.Msg) (pubAck, error) {
	if m.Header.Get("Status") == "503" {
		return pubAck{}, nats.ErrNoResponders
	}
	var ack pubAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return ack, fmt.Errorf("the answer to the publication cannot be read: %w", err)
	}
	if ack.Error != nil {
		return ack, ack.Error
	}
	if ack.Stream != Stream || ack.Seq == 0 {
		return ack, fmt.Errorf("the stream %q answered with sequence %d, not %s", ack.Stream, ack.Seq, Stream)
	}
	return ack, nil
}

// answer takes in what the server says to a publication. It runs on a goroutine
// of the connection.
func (c *committer) answer(m *nats.Msg) {
	id := m.Subject[len(c.inbox):]
	if id == "" {
		return
	}
	token, err := strconv.ParseUint(id[1:], 36, 64)
	if err != nil {
		return
	}
	toFirst := id[0] == replyToFirst[0]
	var ack pubAck
	if !toFirst || len(m.Data) > 0 || len(m.Header) > 0 {
		ack, err = parseAck(m)
	}
	c.mu.Lock()
	f := c.flights[token]
	if f == nil { // it came too late: the resolver has it
		c.mu.Unlock()
		return
	}
	if toFirst && err == nil {
		f.staged = true
		c.mu.Unlock()
		signal(c.wake)
		return
	}
	c.land(f)
	if err != nil {
		f.err = err
		c.refused = append(c.refused, f)
		c.mu.Unlock()
		signal(c.wake)
		return
	}
	if f.batch != "" {
		c.batching = f.events >= breakEven
	}
	c.mu.Unlock()
	c.raiseTip(ack.Seq)
	last := ack.Seq - uint64(f.events)
	for _, r := range f.requests {
		last += uint64(len(r.msgs))
		if r.first && last != uint64(len(r.msgs)) {
			r.finish(0, ErrNotEmpty)
			continue
		}
		r.finish(last, nil)
	}
}
