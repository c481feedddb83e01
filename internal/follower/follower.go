// Package follower carries the stream to the projections, in order, and knows
// whether what they show may be relied on.
//
// What is guaranteed while Fresh returns nil: the projections hold every event
// that the stream's leader had at some moment within MaxStaleness; the stream
// holds every event that was ever applied here; and the event at the highest
// position applied is, byte for byte, the one that was applied.
//
// Silence is not freshness: the leader is asked for its last sequence four times
// a second, whether events come or not. What the node itself stores is a proof
// too, once it has come back.
package follower

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/projections"
)

// Config is what a Follower works with.
type Config struct {
	Store  *eventstore.Store
	Runner *projections.Runner
	// Log is the audit log, which gets every event that the projections get.
	Log *audit.Log
	// MaxStaleness bounds how far the projections may lag before the node stops
	// to answer.
	MaxStaleness time.Duration
	// Evidence is what was kept of an earlier position beside the read model,
	// for the case that this was deleted.
	Evidence identity.Evidence
	Logger   *slog.Logger
}

// Follower is one node's follower. Check it, then Run it.
type Follower struct {
	store  *eventstore.Store
	runner *projections.Runner
	audit  *audit.Log
	limit  time.Duration
	kept   identity.Evidence
	log    *slog.Logger

	// asOf is the time at which the leader was asked for the last sequence that
	// was found complete; nil is never.
	asOf atomic.Pointer[time.Time]
	last atomic.Uint64
	// reconnects counts the reconnections to the stream's server; checked is the one
	// after which the evidence was last looked at.
	reconnects, checked atomic.Uint64
	kick                chan struct{}

	mu       sync.Mutex
	advanced chan struct{} // closed and replaced whenever asOf moves or a refusal comes
	refusal  error
	created  time.Time
	// since is when the last reconnection came: what was asked or begun before it is
	// no proof of anything behind it.
	since time.Time
	// awaited is the sequence by which proof arrives; 0 for none under way.
	awaited uint64
	proof   Proof
}

// New gives a follower that has not looked at the stream yet.
func New(cfg Config) *Follower {
	return &Follower{
		store: cfg.Store, runner: cfg.Runner, audit: cfg.Log, limit: cfg.MaxStaleness, kept: cfg.Evidence, log: cfg.Logger,
		kick: make(chan struct{}, 1), advanced: make(chan struct{}),
	}
}

// pollEvery is how often the leader is asked for its last sequence.
const pollEvery = 250 * time.Millisecond

// Run follows until ctx ends, which gives nil, or until the stream cannot be
// followed any more, which gives the reason; the follower refuses from then on.
func (f *Follower) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f.poll(ctx) })
	err := f.follow(ctx)
	if ctx.Err() == nil && err != nil {
		f.Refuse(asRefusal(err))
	}
	cancel()
	wg.Wait()
	return f.Refused()
}

// follow brings the projections to where the audit log ends, and then both along with
// the stream. The log comes first: what a command has waited for is on its way there.
func (f *Follower) follow(ctx context.Context) error {
	err := f.runner.Bulk(func(apply func([]events.Recorded) error) error {
		var applying error
		err := f.audit.Replay(ctx, f.runner.From(), func(batch []events.Recorded) error {
			applying = apply(batch)
			return applying
		})
		if err != nil && applying == nil {
			return unreadLog(err)
		}
		return err
	})
	if err != nil {
		return asReplayed(err)
	}
	return f.store.Follow(ctx, min(f.runner.From(), f.audit.Appended()), func(batch []events.Recorded) error {
		defer f.applied()
		if err := f.audit.Append(batch); err != nil {
			return err
		}
		return f.runner.Apply(batch)
	})
}

// failure is an end of following for a reason of the node's own machine, which says
// nothing against the stream or the log: another start may go well. It is no [*Refusal].
type failure struct {
	what string
	err  error
	hint string
}

func (f *failure) Error() string { return f.what + ": " + f.err.Error() + "; " + f.hint }

func (f *failure) Unwrap() error { return f.err }

// unreadLog says what it means that the audit log could not be read.
func unreadLog(err error) error {
	if bad, ok := errors.AsType[*audit.CorruptError](err); ok {
		return damagedLog(bad)
	}
	return &failure{"the audit log cannot be read", err, "see to the disk of the data directory, and to who owns the files, then start the node again"}
}

func damagedLog(bad *audit.CorruptError) *Refusal {
	return &Refusal{What: bad.Error(), Hint: "the audit log was altered or its disk is failing: run tokenledger audit verify and tokenledger doctor on the data directory; put the audit directory back from a backup"}
}

// asReplayed says what it means that the read model was not brought to where the audit
// log ends. The stream has no part in that.
func asReplayed(err error) error {
	_, changed := errors.AsType[*projections.EvidenceError](err)
	_, refused := errors.AsType[*Refusal](err)
	_, failed := errors.AsType[*failure](err)
	_, fatal := errors.AsType[*projections.FatalError](err)
	if changed || refused || failed || fatal {
		return err
	}
	return &failure{"the read model cannot be built from the audit log", err, "see to the disk of the data directory, then start the node again; if it lasts, delete projections/ while the node is stopped: it is rebuilt from the ledger's events"}
}

// asRefusal says what an end of following means for the operator. What is a matter of the
// node's own disk is no [*Refusal].
func asRefusal(err error) error {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if gap, ok := errors.AsType[*eventstore.GapError](err); ok {
		return &Refusal{
			What: gap.Error(),
			Hint: restoreHint + "; do not start on an emptied stream",
		}
	}
	if bad, ok := errors.AsType[*eventstore.DecodeError](err); ok {
		return &Refusal{
			What: bad.Error(),
			Hint: "the stream holds bytes that no tokenledger wrote, or its store is damaged; " + doctorHint,
		}
	}
	if back, ok := errors.AsType[*eventstore.RolledBackError](err); ok {
		return &Refusal{What: back.Error(), Hint: restoreHint}
	}
	if changed, ok := errors.AsType[*projections.EvidenceError](err); ok {
		return &Refusal{What: changed.Error(), Hint: restoreHint}
	}
	if errors.Is(err, eventstore.ErrNoStream) {
		return &Refusal{What: "the stream " + eventstore.Stream + " is gone", Hint: restoreHint}
	}
	if errors.Is(err, eventstore.ErrReplaced) {
		return &Refusal{What: err.Error(), Hint: restoreHint}
	}
	if bad, ok := errors.AsType[*audit.LeafError](err); ok {
		return &Refusal{What: bad.Error(), Hint: "the stream holds what no tokenledger wrote; " + doctorHint}
	}
	if bad, ok := errors.AsType[*audit.CorruptError](err); ok {
		return damagedLog(bad)
	}
	// Both say what to do, as they do where they stop a node that runs.
	if bad, ok := errors.AsType[*audit.FatalError](err); ok {
		return bad
	}
	if bad, ok := errors.AsType[*projections.FatalError](err); ok {
		return bad
	}
	return &Refusal{What: "the stream cannot be followed: " + err.Error(), Hint: "see to the NATS server and its log, then start the node again"}
}

// poll keeps asOf moving.
func (f *Follower) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		f.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.kick:
		}
	}
}

// refresh asks the leader for its last sequence and waits until that is applied.
func (f *Follower) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(f.limit, pollEvery))
	defer cancel()
	asked := time.Now()
	var err error
	if n := f.reconnects.Load(); f.checked.Load() != n {
		if err = f.Check(ctx); err == nil {
			f.checked.Store(n)
		}
	} else {
		_, err = f.look(ctx)
	}
	if err == nil {
		err = f.runner.WaitFor(ctx, f.last.Load())
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		f.Refuse(refusal)
		return
	}
	if err != nil {
		f.log.Debug("the stream's last sequence is not known, or not applied yet", "error", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advanceLocked(asked)
}

// Reconnected has the evidence checked before the node answers again: behind a
// new connection may be another stream.
func (f *Follower) Reconnected() {
	f.mu.Lock()
	f.reconnects.Add(1)
	f.since = time.Now()
	f.awaited = 0
	f.asOf.Store(nil)
	f.mu.Unlock()
	f.wake()
}

func (f *Follower) wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// broadcastLocked wakes all who wait for asOf to move, or for a refusal. The
// caller holds mu.
func (f *Follower) broadcastLocked() {
	close(f.advanced)
	f.advanced = make(chan struct{})
}

// Refuse has Fresh fail with err from now on.
func (f *Follower) Refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refusal != nil {
		return
	}
	f.refusal = err
	f.asOf.Store(nil)
	f.broadcastLocked()
	f.log.Error("this node stops serving", "error", err)
}

// Refused gives the reason why the follower refuses, nil if it does not.
func (f *Follower) Refused() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal
}

// Fresh returns nil if the read model may be relied on, and otherwise an error of
// kind Unavailable that says why not.
func (f *Follower) Fresh() error {
	asOf := f.asOf.Load()
	var old time.Duration
	if asOf != nil {
		if old = age(*asOf); old <= f.limit {
			return nil
		}
	}
	if err := f.Refused(); err != nil {
		e := &commands.Error{Kind: commands.Unavailable, Code: "refusing", Detail: "this node refuses to serve: " + err.Error()}
		if r, ok := errors.AsType[*Refusal](err); ok {
			e.Detail, e.Hint = "this node refuses to serve: "+r.What, r.Hint
		} else if f, ok := errors.AsType[*failure](err); ok {
			e.Detail, e.Hint = "this node refuses to serve: "+f.what+": "+f.err.Error(), f.hint
		}
		return e
	}
	detail := "this node has not caught up with the stream yet"
	if asOf != nil {
		detail = "this node cannot show that it is within " + f.limit.String() + " of the stream: the last proof is " + old.Round(time.Millisecond).String() + " old"
	}
	return &commands.Error{Kind: commands.Unavailable, Code: "stale", Detail: detail, Hint: "try again shortly; if it lasts, see to the node's connection to NATS"}
}

// AsOf is the time up to which the projections hold every event.
func (f *Follower) AsOf() time.Time {
	if asOf := f.asOf.Load(); asOf != nil {
		return *asOf
	}
	return time.Unix(0, 0)
}

// age is how long ago t was, by the clock that says more. The monotonic clock
// cannot be set back, but stands still while the machine is suspended; the wall
// clock goes on then, but can be set back.
func age(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// Last is the stream's last sequence as last heard.
func (f *Follower) Last() uint64 { return max(f.last.Load(), f.runner.Applied()) }

// briefly bounds how long a validation waits for the stream's newest events.
const briefly = 500 * time.Millisecond

// CatchUp waits until the projections hold every event that the stream has now.
func (f *Follower) CatchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, briefly)
	defer cancel()
	return f.waitSince(ctx, time.Now())
}

// Ready waits until the projections hold every event that the stream had when it
// was called, however long that takes.
func (f *Follower) Ready(ctx context.Context) error { return f.waitSince(ctx, time.Now()) }

func (f *Follower) waitSince(ctx context.Context, t time.Time) error {
	for {
		f.mu.Lock()
		advanced, refusal := f.advanced, f.refusal
		f.mu.Unlock()
		if refusal != nil {
			return refusal
		}
		if asOf := f.asOf.Load(); asOf != nil && !asOf.Before(t) {
			return nil
		}
		f.wake()
		select {
		case <-ctx.Done():
			return &commands.Error{Kind: commands.Unavailable, Code: "stale", Detail: "this node did not catch up with the stream in time", Hint: "try again shortly", Cause: ctx.Err()}
		case <-advanced:
		}
	}
}
