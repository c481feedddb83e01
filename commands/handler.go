package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands/secret"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Log is where a command's events go.
type Log interface {
	// Append makes the events durable, all of them or none, in their order and
	// with nothing between, and gives the sequence of the last. An error of kind
	// UnknownOutcome is the only one after which they may be there.
	Append(ctx context.Context, e ...events.Event) (last uint64, err error)
}

// State is what commands and validation read. It takes in all that this node has
// applied.
type State interface {
	Token(id ulid.ULID) (tokens.Token, bool, error)
	// Credential gives the part of a token that validation needs.
	Credential(id ulid.ULID) (tokens.Credential, bool, error)
	// TokenAt gives the record as it was after the event at seq, without uses.
	TokenAt(ctx context.Context, id ulid.ULID, seq uint64) (tokens.Token, error)
	ByHash(hash events.Digest) (ulid.ULID, bool, error)
	// ByHashes gives the tokens of the tenant, or of all where it is empty, that have
	// these hashes, minted ones too. It reads all tokens there are.
	ByHashes(ctx context.Context, tenant string, hashes []events.Digest) (map[events.Digest]ulid.ULID, error)
	List(q tokens.Query) (tokens.Page, error)
	// Answered gives the first events that a request with this key led to, limit at
	// the most.
	Answered(tenant, key string, limit int) ([]tokens.Answered, error)
	// AnsweredAt gives the one at seq, and false if the event there is none.
	AnsweredAt(tenant, key string, seq uint64) (tokens.Answered, bool, error)
	// AnsweredTotal counts those events, and gives the last one's sequence.
	AnsweredTotal(tenant, key string) (n int, last uint64, err error)
	// EventTime is when the event at seq happened, by the node that wrote it.
	EventTime(ctx context.Context, seq uint64) (time.Time, error)
	OtherRoot(except ulid.ULID, now time.Time) (bool, error)
	// WaitFor returns once the event at seq can be read.
	WaitFor(ctx context.Context, seq uint64) error
	// Applied is the sequence that reads take in.
	Applied() uint64
}

// Config is what a Handler works with.
type Config struct {
	Log    Log
	State  State
	Policy Policy
	// People says what people who sign in are given.
	People People
	// Source is the CloudEvents source of this node's events.
	Source string
	// TokenPrefix begins the tokens that are minted; empty takes "tl".
	TokenPrefix string
	// Now is the clock; nil takes the system's.
	Now func() time.Time
}

// Handler carries commands out. It is safe for concurrent use.
type Handler struct {
	log    Log
	state  State
	policy Policy
	people People
	source string
	prefix string
	now    func() time.Time

	rotating keyedLocks[ulid.ULID]
	updating keyedLocks[ulid.ULID]
	keys     keyedLocks[string]
	// coming are the keys that imports are about to record, importSlots bounds the
	// batches in which they are.
	coming      comingKeys
	importSlots chan struct{}
	// roots is held while a token that holds ledger:root is ended or suspended.
	roots sync.Mutex
	// leaks is held while reports of leaks are decided and recorded, so that a report
	// that comes twice at a time is recorded once.
	leaks sync.Mutex
	// hashing is taken by the one look for hashes that may go on at a time.
	hashing chan struct{}
}

// NewHandler gives a handler.
func NewHandler(cfg Config) *Handler {
	return &Handler{
		log: cfg.Log, state: cfg.State, policy: cfg.Policy, people: cfg.People, source: cfg.Source,
		prefix: cmp.Or(cfg.TokenPrefix, secret.DefaultPrefix), now: Clock(cfg.Now),
		importSlots: make(chan struct{}, importsInFlight),
		hashing:     make(chan struct{}, 1),
	}
}

// Clock gives the time as the ledger writes it: UTC, to the millisecond. A nil
// clock is the system's.
func Clock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().UTC().Truncate(time.Millisecond) }
}

// NewID gives a fresh ULID of the time t.
func NewID(t time.Time) ulid.ULID {
	return ulid.MustNew(ulid.Timestamp(t), ulid.DefaultEntropy())
}

// settle bounds how long an append and the wait for it may take once begun. A
// caller that goes away does not cut it short: its outcome would be unknown.
const settle = 15 * time.Second

// fact is an event to be: what happened, in which tenant.
type fact struct {
	tenant string
	data   events.Data
}

// append records the facts in one batch and waits until this node reads them. It
// refuses a caller whose own token has ended since it was admitted, say while it
// waited for its turn: whoever is revoked changes nothing any more.
func (h *Handler) append(ctx context.Context, c Caller, idem events.Idempotency, now time.Time, facts ...fact) (uint64, error) {
	evs := make([]events.Event, len(facts))
	for i, f := range facts {
		evs[i] = newEvent(h.source, c, idem, now, f)
	}
	return h.appendAll(ctx, c, evs)
}

// appendAll is append for events that are made already.
func (h *Handler) appendAll(ctx context.Context, c Caller, evs []events.Event) (uint64, error) {
	if reason, err := ended(h.state, c.Actor.TokenID, h.now()); err != nil {
		return 0, err
	} else if reason != "" {
		return 0, NotGood()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	seq, err := h.log.Append(ctx, evs...)
	if err != nil {
		return 0, err
	}
	if err := h.state.WaitFor(ctx, seq); err != nil {
		return 0, Unread(err)
	}
	return seq, nil
}

func newEvent(source string, c Caller, idem events.Idempotency, now time.Time, f fact) events.Event {
	about := events.AboutOf(f.data)
	about.Actor, about.Origin = c.Actor, c.Origin
	e := events.Event{ID: NewID(now), Source: source, Time: now, Tenant: f.tenant, Idempotency: idem, Data: f.data}
	if !about.TokenID.IsZero() {
		e.Subject = about.TokenID.String()
	}
	return e
}

// Unread is the answer when something was recorded and cannot be read back.
func Unread(err error) error {
	if err == nil {
		return nil
	}
	return &Error{
		Kind: UnknownOutcome, Code: "not_yet_applied",
		Detail: "it was recorded, but this node does not show it yet",
		Hint:   "read the token again before you rely on the change; repeating it with the same Idempotency-Key is safe",
		Cause:  err,
	}
}

// mayTouch refuses to change a token that can do more than the caller: one that
// holds root, unless the caller does; and to bring back a suspended one whose
// permissions the caller does not hold. To end other tokens, ledger:tokens:revoke
// is enough: that is what it is for, and it takes power away alone.
func mayTouch(c Caller, op string, t tokens.Token) error {
	for _, s := range t.Scopes {
		if !strings.HasPrefix(s, PermissionPrefix) || c.Holds(s) || s != Root && op != "resume" {
			continue
		}
		return &Error{Kind: Forbidden, Code: "token_above_caller",
			Detail: fmt.Sprintf("cannot %s %s: it holds %s, and your token does not; nothing was changed", op, t.ID, s),
			Hint:   "ask somebody whose token holds " + s}
	}
	return nil
}

// token reads a token of the tenant.
func (h *Handler) token(tenant string, id ulid.ULID) (tokens.Token, error) {
	t, ok, err := h.state.Token(id)
	if err != nil {
		return tokens.Token{}, Unreadable(err)
	}
	if !ok || t.Tenant != tenant {
		return tokens.Token{}, NoSuchToken(id.String())
	}
	return t, nil
}

// Unreadable is the answer when the read model fails; nil where it does not.
func Unreadable(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Unavailable, Code: "read_model_failed", Detail: "this node cannot read its tokens",
		Hint: "ask the operator to read the node's log", Cause: err}
}

// change is the way of every command on one existing token: read, decide, append,
// read again. A decision of no event is an answer without a change.
func (h *Handler) change(ctx context.Context, c Caller, op, tenant string, id ulid.ULID, cmd any, decide func(tokens.Token, time.Time) (events.Data, error)) (Changed, error) {
	return once(ctx, h, c, op, tenant, cmd, func(idem events.Idempotency) (Changed, error) {
		t, err := h.token(tenant, id)
		if err != nil {
			return Changed{}, err
		}
		if err := mayTouch(c, op, t); err != nil {
			return Changed{}, err
		}
		if slices.Contains(t.Scopes, Root) {
			h.roots.Lock()
			defer h.roots.Unlock()
			if t, err = h.token(tenant, id); err != nil {
				return Changed{}, err
			}
		}
		now := h.now()
		data, err := decide(t, now)
		if err != nil || data == nil {
			return Changed{Token: t, Seq: t.Seq}, err
		}
		seq, err := h.append(ctx, c, idem, now, fact{tenant, data})
		if err != nil {
			return Changed{}, err
		}
		t, err = h.token(tenant, id)
		return Changed{Token: t, Seq: seq}, Unread(err)
	}, func(ctx context.Context, first []tokens.Answered) (Changed, error) {
		t, err := h.state.TokenAt(ctx, first[0].TokenID, first[0].Seq)
		return Changed{Token: t, Seq: first[0].Seq, Replayed: true}, err
	})
}
