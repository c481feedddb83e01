package commands

import (
	"cmp"
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// Use is the outcome of one validation.
type Use struct {
	// At is when the validation was decided; it is kept to the millisecond.
	At     time.Time
	Tenant string
	// TokenID is zero where the string that was presented named no real token.
	// That string itself never comes here.
	TokenID ulid.ULID
	// Reason is empty where the token was good, else why it was not.
	Reason string
	// Actor is who asked.
	Actor events.Actor
	// IP, UserAgent, Site, Resource and Scopes are what the asker said of the
	// request that bore the token.
	IP, UserAgent, Site, Resource string
	Scopes                        []string
}

// MaxUseSize bounds a use in its encoded form, in bytes, so that its event stays
// below [events.MaxSize] however its texts are escaped.
const MaxUseSize = 10 << 10

// UseError says why something is no use that can be recorded.
type UseError struct {
	// Field names the field as the event does.
	Field string
	// Problem goes on from the field's name: "is missing".
	Problem string
}

func (e *UseError) Error() string { return "use: " + e.Field + " " + e.Problem }

// Times outside of these cannot be written as RFC 3339.
const (
	minUseMillis = 1
	maxUseMillis = 253402300799999 // the end of the year 9999
)

// check reports what would keep u from becoming an event. An event that the
// encoder refuses would hold up every use behind it.
func (u *Use) check() error {
	if !events.ValidTenant(u.Tenant) {
		return &UseError{"tenant", "is not of the form [a-z0-9][a-z0-9-]{0,62}"}
	}
	if u.Reason == "" && u.TokenID.IsZero() {
		return &UseError{"token_id", "is missing in a use of a good token"}
	}
	if ms := u.At.UnixMilli(); ms < minUseMillis || ms > maxUseMillis {
		return &UseError{"at", "is missing or out of range"}
	}
	return nil
}

// UseWindow coalesces uses: those that agree in tenant, token, reason, actor, IP,
// user agent, site, resource and scopes become one event with their count. It is
// not safe for concurrent use.
//
// It keeps about 130 bytes for a key of ordinary size (see
// BenchmarkUseWindowMemory) and, because none of it is a pointer, costs the
// garbage collector nothing.
type UseWindow struct {
	seed     maphash.Seed
	contexts useTable
	keys     useTable
	uses     uint64
	first    int64 // the earliest At, in Unix milliseconds
	scratch  EncodedUse
}

// NewUseWindow makes an empty window. Uses that were encoded with another seed
// must not be added to it.
func NewUseWindow(seed maphash.Seed) *UseWindow {
	return &UseWindow{seed: seed, first: math.MaxInt64}
}

// Len is the number of events that the window would give.
func (w *UseWindow) Len() int { return w.keys.n }

// Uses is the number of uses added.
func (w *UseWindow) Uses() uint64 { return w.uses }

// Size is roughly the memory that the window holds, in bytes.
func (w *UseWindow) Size() int { return w.contexts.size() + w.keys.size() }

// First is the time of the earliest use; zero for an empty window.
func (w *UseWindow) First() time.Time {
	if w.uses == 0 {
		return time.Time{}
	}
	return time.UnixMilli(w.first).UTC()
}

// Add counts u, which has the position pos in the node's journal. Positions must
// rise. The error is a [*UseError]; the window is then as it was.
func (w *UseWindow) Add(pos uint64, u Use) error {
	if err := w.scratch.Set(w.seed, &u); err != nil {
		return err
	}
	w.find(&w.scratch)
	w.AddEncoded(pos, &w.scratch)
	return nil
}

func (w *UseWindow) find(e *EncodedUse) {
	e.key = notFound
	e.ctx = w.contexts.find(e.ctxHash, 0, e.context())
	if e.ctx != notFound {
		e.key = w.keys.find(keyHash(e.restHash, e.ctx), e.ctx, e.rest())
	}
}

// AddEncoded is [UseWindow.Add] for a use whose entry [UseWindow.AppendEntry]
// gave from this window.
func (w *UseWindow) AddEncoded(pos uint64, e *EncodedUse) {
	ctx, key := e.ctx, e.key
	if ctx == notFound {
		// Another use of the same write may have brought it in meanwhile.
		ctx = w.contexts.findOrAdd(e.ctxHash, 0, e.context())
	}
	if key == notFound {
		key = w.keys.findOrAdd(keyHash(e.restHash, ctx), ctx, e.rest())
	}
	w.count(key, pos, e.at)
}

func (w *UseWindow) count(key uint32, pos uint64, at int64) {
	s := w.keys.slot(key)
	if s.count == 0 || at < s.first {
		s.first = at
	}
	if s.count == 0 || at > s.last {
		s.last = at
	}
	s.count++
	s.pos = pos
	w.uses++
	w.first = min(w.first, at)
}

// Events gives the window's events in the order of their journal positions, those
// at or below the position after left out. They are made one at a time, so that a
// window of a million keys does not stand in memory twice. Each call makes new
// ids.
func (w *UseWindow) Events(after uint64, node, source string, newID func(time.Time) ulid.ULID) iter.Seq[events.Event] {
	return func(yield func(events.Event) bool) {
		type place struct {
			pos uint64
			key uint32
		}
		order := make([]place, 0, w.keys.n)
		for key := range uint32(w.keys.n) {
			if pos := w.keys.slot(key).pos; pos > after {
				order = append(order, place{pos, key})
			}
		}
		slices.SortFunc(order, func(a, b place) int { return cmp.Compare(a.pos, b.pos) })
		for _, p := range order {
			if !yield(w.event(p.key, node, source, newID)) {
				return
			}
		}
	}
}

func (w *UseWindow) event(key uint32, node, source string, newID func(time.Time) ulid.ULID) events.Event {
	s := w.keys.slot(key)
	var u Use
	// Both were encoded here, or checked when they were read back.
	_ = u.decodeContext(w.contexts.bytes(s.ctx))
	_ = u.decodeRest(w.keys.bytes(key))
	last := time.UnixMilli(s.last).UTC()
	use := events.Use{
		About:      events.About{TokenID: u.TokenID, Actor: u.Actor},
		Count:      s.count,
		FirstAt:    time.UnixMilli(s.first).UTC(),
		LastAt:     last,
		IP:         u.IP,
		UserAgent:  u.UserAgent,
		Site:       u.Site,
		Resource:   u.Resource,
		Scopes:     u.Scopes,
		Node:       node,
		JournalPos: s.pos,
	}
	e := events.Event{ID: newID(last), Source: source, Time: last, Tenant: u.Tenant}
	if !u.TokenID.IsZero() {
		e.Subject = u.TokenID.String()
	}
	if u.Reason == "" {
		e.Data = &events.TokenUsed{Use: use}
	} else {
		e.Data = &events.TokenRejected{Use: use, Reason: u.Reason}
	}
	return e
}
