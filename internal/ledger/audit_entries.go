package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/auth"
)

// A mirror reads thousands of bundles of entries, and each recorded reading is an entry
// more: it would never come to the end. So one event stands for what a caller reads
// within a minute.
const (
	entriesEvery = time.Minute
	// maxReaders bounds the callers that are remembered. One that is forgotten is
	// recorded again.
	maxReaders = 1024
)

// entryReaders remembers whose reading of entries was recorded when.
type entryReaders struct {
	mu   sync.Mutex
	byID map[ulid.ULID]*entryReader
}

// entryReader is one caller. Its mutex is held while its reading is recorded: who reads
// in parallel waits for that.
type entryReader struct {
	mu sync.Mutex
	at time.Time
}

func (e *entryReaders) of(id ulid.ULID) *entryReader {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.byID[id]; r != nil {
		return r
	}
	if e.byID == nil || len(e.byID) >= maxReaders {
		e.byID = map[ulid.ULID]*entryReader{}
	}
	r := new(entryReader)
	e.byID[id] = r
	return r
}

// recordEntries records that the session reads the entries first to last.
func (l *Ledger) recordEntries(ctx context.Context, s auth.Session, first, last uint64) error {
	r := l.readers.of(s.Actor.TokenID)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := l.Now()
	if since := now.Sub(r.at); 0 <= since && since < entriesEvery {
		return nil
	}
	err := l.recordReading(ctx, s, s.Tenant, ulid.ULID{}, askEntries(first, last))
	if err == nil {
		r.at = now
	}
	return err
}

// askEntries is the canonical form of the first reading of a minute. It names the bundle
// that was read, by leaf index, and says how long others may follow that are on record
// nowhere.
func askEntries(first, last uint64) *asked {
	return ask("entries").word(fmt.Sprintf("from=%d to=%d others_for=%ds", first, last, int(entriesEvery.Seconds())))
}

// hintEntries says what there is for those who may not read entries.
func hintEntries(err error) error {
	if e, ok := errors.AsType[*commands.Error](err); ok && e.Kind == commands.Forbidden {
		told := *e
		told.Hint = "entries hold the events of all tenants; those of your own are at /v1/audit/events, each with its proof if you ask for that"
		return &told
	}
	return err
}
