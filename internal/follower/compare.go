package follower

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
)

// The stream is compared with the audit log, event by event: a stream can lose or
// change events in its middle and look healthy. A start compares for a moment, which
// is enough for a small ledger; the rest comes in the background, slowly.

const (
	// compareStep is how many events are compared at once in the background, and
	// comparePause how many times as long it rests then: a tenth of one core.
	compareStep  = 64
	comparePause = 9
	// compareAgain is when the background begins anew.
	compareAgain = 24 * time.Hour
)

var errCompared = errors.New("everything is compared")

// CompareUnsigned compares those entries of the audit log with the stream, all of them,
// that no checkpoint is signed over. A [*Refusal] names the first that is not the same.
func (f *Follower) CompareUnsigned(ctx context.Context) error {
	_, err := f.compareFrom(ctx, ctx, f.audit.Signed())
	return err
}

// CompareFor compares the stream with the audit log from the beginning, for about d,
// and gives the sequence up to which they agree. A [*Refusal] names the first event
// that is not the same.
func (f *Follower) CompareFor(ctx context.Context, d time.Duration) (upTo uint64, err error) {
	within, stop := context.WithTimeout(ctx, d)
	defer stop()
	upTo, err = f.compareFrom(ctx, within, 0)
	if err != nil || upTo == f.audit.Size() {
		return upTo, err
	}
	// The time was up. Whether that was because an event cannot be read is seen at once.
	r, err := f.store.Get(ctx, upTo+1)
	if errors.Is(err, eventstore.ErrUnavailable) {
		return upTo, nil // the background asks again
	}
	if err = f.judge(upTo+1, r, err); err != nil && ctx.Err() == nil {
		err = asRefusal(err)
	}
	return upTo, err
}

// compareFrom compares the events behind a sequence with their entries, until all are
// compared, or within ends.
func (f *Follower) compareFrom(ctx, within context.Context, after uint64) (upTo uint64, err error) {
	last := f.audit.Size()
	if upTo = after; upTo >= last {
		return upTo, nil
	}
	err = f.store.Follow(within, after, func(batch []events.Recorded) error {
		if upTo+uint64(len(batch)) > last {
			batch = batch[:last-upTo]
		}
		if err := f.compareAll(batch); err != nil {
			return err
		}
		if upTo += uint64(len(batch)); upTo == last {
			return errCompared
		}
		return nil
	})
	switch {
	case errors.Is(err, errCompared):
		return upTo, nil
	case ctx.Err() != nil:
		return upTo, ctx.Err()
	case within.Err() != nil && errors.Is(err, within.Err()):
		return upTo, nil
	}
	// What is compared has an entry in the audit log. A server that cannot read a block
	// may give nothing behind it either, so no more is said than that this one is gone.
	if gap, ok := errors.AsType[*eventstore.GapError](err); ok && gap.Want <= last {
		return upTo, lost(gap.Want)
	}
	return upTo, asRefusal(err)
}

// compareAll holds events that follow on one another against their entries.
func (f *Follower) compareAll(batch []events.Recorded) error {
	want, err := f.audit.LeafHashes(batch[0].Seq, batch[len(batch)-1].Seq)
	if err != nil {
		return unreadLog(err)
	}
	for i, r := range batch {
		if err := f.same(r, want[i]); err != nil {
			return err
		}
	}
	return nil
}

// same holds an event of the stream against the hash of its entry.
func (f *Follower) same(r events.Recorded, want tlog.Hash) error {
	got, err := audit.HashOf(r)
	if err != nil {
		return altered(r.Seq, err.Error())
	}
	if got == want {
		return nil
	}
	// The hash may be what is damaged, and the stream and the entry be whole.
	if _, err := f.audit.Leaf(r.Seq); err != nil {
		return unreadLog(err)
	}
	return altered(r.Seq, "")
}

// CompareOn goes on behind the sequence after, in the background, until ctx ends, and
// makes the follower refuse when an event is not the same. It begins anew every day.
func (f *Follower) CompareOn(ctx context.Context, after uint64) {
	for ctx.Err() == nil {
		for seq := after + 1; seq <= f.audit.Size(); seq += compareStep {
			began := time.Now()
			for at := seq; at < seq+compareStep && at <= f.audit.Size(); at++ {
				if !f.compareOne(ctx, at) {
					return
				}
			}
			if !rest(ctx, min(comparePause*time.Since(began), time.Second)) { // an outage is no work
				return
			}
		}
		after = 0
		rest(ctx, compareAgain)
	}
}

// compareOne gives false when there is no going on.
func (f *Follower) compareOne(ctx context.Context, seq uint64) bool {
	for ctx.Err() == nil {
		r, err := f.store.Get(ctx, seq)
		if errors.Is(err, eventstore.ErrUnavailable) {
			rest(ctx, time.Second)
			continue
		}
		if err = f.judge(seq, r, err); err != nil && ctx.Err() == nil {
			f.Refuse(asRefusal(err))
			return false
		}
		return true
	}
	return false
}

// judge says what the answer of the stream for a sequence, which has an entry in the
// audit log, means.
func (f *Follower) judge(seq uint64, r events.Recorded, err error) error {
	if errors.Is(err, eventstore.ErrNotFound) {
		return lost(seq)
	}
	if bad, ok := errors.AsType[*eventstore.DecodeError](err); ok {
		return altered(seq, bad.Error())
	}
	if err != nil {
		return err
	}
	return f.compareAll([]events.Recorded{r})
}

// rest waits, and gives false when ctx has ended.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
