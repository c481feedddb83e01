package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// heartbeat is how often the server shows that it is there while there is
	// nothing to deliver.
	heartbeat = 2 * time.Second
	// inactive is after how long without a subscriber the server drops a
	// consumer. A reading that ends in order deletes it.
	inactive = 30 * time.Second
)

// delivery is a message of the stream.
type delivery struct {
	seq      uint64
	received int64  // nanoseconds since 1970
	pending  uint64 // how many the consumer has still to deliver
	msg      *nats.Msg
}

// errLost says that a reading lost messages on its way, or its server.
var errLost = errors.New("messages were lost on the way, or the server went away")

// reading is one consumer of the stream and its subscription. It delivers in
// order, without a gap of its own making; what it cannot deliver so ends it.
//
// It is an ordered consumer, built on a push consumer with flow control rather than
// on jetstream.OrderedConsumer: that one hides where the stream has gaps, and
// costs more. CPU time of client and server together for an event of 750 bytes:
// 9.0 µs there, 8.7 µs here.
type reading struct {
	store    *Store
	sub      *nats.Subscription
	consumer string
	empty    bool // there was nothing to deliver when it began
	deliver  func(delivery)
	paused   func()        // called when nothing waits that has come in
	busy     sync.Mutex    // held while a message is delivered
	ended    chan struct{} // closed when the reading has lost its thread
	isEnded  atomic.Bool
	alive    atomic.Bool // the server has shown itself since it was last asked
	heard    time.Time   // when that was found; the reader's goroutine only
	lastSeq  uint64      // of the consumer, not the stream; the subscription's goroutine only
}

// read starts a reading. deliver and paused are called on one goroutine. deliver
// may block: then the server waits. The caller must call close.
func (s *Store) read(ctx context.Context, from jetstream.ConsumerConfig, deliver func(delivery), paused func()) (*reading, error) {
	r := &reading{store: s, deliver: deliver, paused: paused, ended: make(chan struct{})}
	inbox := s.nc.NewInbox()
	r.heard = time.Now()
	sub, err := s.nc.Subscribe(inbox, r.handle)
	if err != nil {
		return nil, classify(err)
	}
	r.sub = sub
	// Flow control bounds what is under way (32 MiB).
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		r.close()
		return nil, classify(err)
	}
	from.AckPolicy = jetstream.AckNonePolicy
	from.MemoryStorage = true
	from.Replicas = 1
	from.InactiveThreshold = inactive
	from.DeliverSubject = inbox
	from.FlowControl = true
	from.IdleHeartbeat = heartbeat
	consumer, err := s.js.CreatePushConsumer(ctx, Stream, from)
	if err != nil {
		r.close()
		return nil, classify(err)
	}
	info := consumer.CachedInfo()
	r.consumer = info.Name
	r.empty = info.NumPending == 0 && info.Delivered.Consumer == 0
	return r, nil
}

// close ends the reading. Nothing is delivered once it has returned.
func (r *reading) close() {
	r.end()
	r.busy.Lock()   // until a delivery that waits for room is through
	r.busy.Unlock() //nolint:staticcheck // the section is empty on purpose
	// Errors here mean that the connection is gone, and the server cleans up.
	_ = r.sub.Unsubscribe()
	if r.consumer == "" || r.store.nc.Status() != nats.CONNECTED {
		return
	}
	_ = r.store.nc.Publish("$JS.API.CONSUMER.DELETE."+Stream+"."+r.consumer, nil)
}

func (r *reading) end() {
	if r.isEnded.CompareAndSwap(false, true) {
		close(r.ended)
	}
}

// silent reports that the server has not shown itself for three heartbeats.
func (r *reading) silent(now time.Time) bool {
	if !r.busy.TryLock() {
		r.heard = now // it waits for us
		return false
	}
	defer r.busy.Unlock()
	if r.alive.Swap(false) {
		r.heard = now
	}
	return now.Sub(r.heard) > 3*heartbeat
}

func (r *reading) handle(m *nats.Msg) {
	r.busy.Lock()
	defer r.busy.Unlock()
	if r.isEnded.Load() {
		return
	}
	r.alive.Store(true)
	if strings.HasPrefix(m.Reply, ackPrefix) {
		r.message(m)
	} else {
		r.control(m)
	}
	// The message in hand counts as pending until this returns.
	if n, _, err := m.Sub.Pending(); err != nil || n <= 1 {
		r.paused()
	}
}

func (r *reading) message(m *nats.Msg) {
	d, consumerSeq, ok := parseDelivery(m)
	if !ok || consumerSeq != r.lastSeq+1 {
		r.end()
		return
	}
	r.lastSeq = consumerSeq
	r.deliver(d)
}

// control answers what is no message of the stream: flow control (with a reply
// subject) and heartbeats, which name the subject if the server waits for the answer.
func (r *reading) control(m *nats.Msg) {
	if m.Header.Get("Status") != "100" {
		r.end() // the consumer was deleted, or lost its leader
		return
	}
	reply := m.Reply
	if reply == "" {
		reply = m.Header.Get("Nats-Consumer-Stalled")
	}
	if reply != "" {
		_ = r.store.nc.Publish(reply, nil) // without a connection, there is nobody to tell
		return
	}
	// A heartbeat says how many messages the consumer has sent so far.
	if last := m.Header.Get("Nats-Last-Consumer"); last != "" && last != fmt.Sprint(r.lastSeq) {
		r.end()
	}
}

const ackPrefix = "$JS.ACK."

// parseDelivery reads what the server tells of a message in its reply subject:
//
//	$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.….<pending>[.<token>]
func parseDelivery(m *nats.Msg) (d delivery, consumerSeq uint64, ok bool) {
	rest := m.Reply[len(ackPrefix):]
	dots := strings.Count(rest, ".")
	skip := 3 // stream, consumer, delivered
	switch {
	case dots == 6:
	case dots >= 8:
		skip = 5
	default:
		return d, 0, false
	}
	for range skip {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var fields [4]uint64
	for i := range fields {
		var field string
		field, rest, _ = strings.Cut(rest, ".")
		if field == "" {
			return d, 0, false
		}
		for _, c := range []byte(field) {
			if c < '0' || c > '9' {
				return d, 0, false
			}
			fields[i] = fields[i]*10 + uint64(c-'0')
		}
	}
	return delivery{seq: fields[0], received: int64(fields[2]), pending: fields[3], msg: m}, fields[1], true
}

// scan visits what the stream holds, headers only, up to the sequence last. On a
// stream with replicas the consumer may be on one that has not got so far yet: until
// it has, there is no answer but ctx's end. A scan from a time on may find nothing.
func (s *Store) scan(ctx context.Context, from jetstream.ConsumerConfig, last uint64, visit func(seq uint64, m *nats.Msg)) error {
	done := make(chan struct{})
	finished := false
	from.HeadersOnly = true
	r, err := s.read(ctx, from, func(d delivery) {
		if finished {
			return
		}
		if d.seq <= last {
			visit(d.seq, d.msg)
		}
		if d.seq >= last {
			finished = true
			close(done)
		}
	}, func() {})
	if err != nil {
		return err
	}
	defer r.close()
	if r.empty && from.OptStartTime != nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-r.ended:
		return unavailable(errLost)
	case <-ctx.Done():
		return classify(ctx.Err())
	}
}
