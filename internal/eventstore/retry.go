package eventstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// retryRefused decides what becomes of the flights that the server refused.
func (c *committer) retryRefused() {
	c.mu.Lock()
	refused := c.refused
	c.refused = nil
	c.mu.Unlock()
	for _, f := range refused {
		if c.open == f {
			c.open = nil
		}
		if len(f.requests) > 1 {
			// One event spoils a batch, and the server does not say which: each
			// caller's by themselves then, so that it meets only its own.
			c.logger.Warn("a batch of events was refused; they are sent one by one", "events", f.events, "error", f.err)
			for _, r := range f.requests {
				r.alone = true
				r.exposed = r.exposed || unclear(f.err)
				c.pending = append(c.pending, r)
			}
			continue
		}
		for _, r := range f.requests {
			c.refuse(r, f)
		}
	}
}

// refuse ends or resolves a request that was refused by itself.
func (c *committer) refuse(r *request, f *flight) {
	api, isAPI := errors.AsType[*jetstream.APIError](f.err)
	switch {
	case isAPI && (api.ErrorCode == codeBatchDuplicate || api.ErrorCode == codeDuplicateInProcess):
		r.duplicate = true
		c.resolveLater(r, f.err)
	case isAPI && r.first && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		// By others, or by an earlier publication of the same.
		c.resolveLater(r, ErrNotEmpty)
	case unclear(f.err):
		c.resolveLater(r, f.err)
	case r.exposed:
		c.resolveLater(r, classify(f.err))
	default:
		r.finish(0, classify(f.err))
	}
}

// unclear reports an answer that leaves open whether the events are stored: the store
// failed at some point, or the answer makes no sense.
func unclear(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode == codeStoreFailed
	}
	return classify(err) == err //nolint:errorlint // the very error that went in: not a kind that is known
}

// expire gives up waiting for the answers to what was sent a while before now.
func (c *committer) expire(now time.Time) {
	c.mu.Lock()
	var late []*flight
	for _, f := range c.flights {
		if now.Sub(f.sentAt) >= c.ackWait {
			late = append(late, f)
		}
	}
	for _, f := range late {
		c.land(f)
	}
	c.mu.Unlock()
	for _, f := range late {
		if c.open == f {
			c.open = nil
		}
		for _, r := range f.requests {
			if f.mayBeStored() {
				c.resolveLater(r, fmt.Errorf("no answer to the publication within %v, or the connection was lost", c.ackWait))
				continue
			}
			// A batch that was not committed is not stored; the server drops it.
			if now.Sub(r.sent) > c.patience() {
				r.notSent(unavailable(errors.New("the server does not answer")))
				continue
			}
			c.pending = append(c.pending, r)
		}
	}
}
