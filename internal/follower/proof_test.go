package follower

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/natsserver"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standing is a follower over a real stream and read model that does not run: a test
// takes each step itself.
type standing struct {
	*Follower
	t      *testing.T
	logDir string // of the audit log
}

func newStanding(t *testing.T) *standing {
	t.Helper()
	broker, err := natsserver.Start(natsserver.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Shutdown)
	conn, err := broker.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log := slog.New(slog.DiscardHandler)
	store, err := eventstore.Open(eventstore.Config{Conn: conn, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	runner, err := projections.Open(t.TempDir(), log, nil, tokens.New(tokens.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = runner.Close() })
	id, err := identity.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := id.Signer()
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := id.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	logDir := t.TempDir()
	l, err := audit.Open(audit.Config{Dir: logDir, Signer: signer, Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &standing{New(Config{Store: store, Runner: runner, Log: l, MaxStaleness: time.Hour, Logger: log}), t, logDir}
}

// append stores an event and gives its sequence.
func (f *standing) append() uint64 {
	f.t.Helper()
	id := ulid.Make()
	seq, err := f.store.Append(f.t.Context(), events.Event{
		ID: ulid.Make(), Source: "/tokenledger/test", Subject: id.String(), Time: time.Now().UTC(), Tenant: events.DefaultTenant,
		Data: &events.TokenSuspended{About: events.About{TokenID: id, Actor: events.Actor{Type: "system", ID: "test", Name: "test"}}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return seq
}

// apply brings the read model to seq.
func (f *standing) apply(seq uint64) {
	f.t.Helper()
	for at := f.runner.From() + 1; at <= seq; at++ {
		r, err := f.store.Get(f.t.Context(), at)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := f.runner.Apply([]events.Recorded{r}); err != nil {
			f.t.Fatal(err)
		}
	}
	f.applied()
}

func (f *standing) mustBeFresh(want bool, when string) {
	f.t.Helper()
	if err := f.Fresh(); (err == nil) != want {
		f.t.Errorf("%s: %v", when, err)
	}
}

func TestWhatTheNodeStoresProvesItsFreshnessOnceItIsApplied(t *testing.T) {
	f := newStanding(t)
	f.mustBeFresh(false, "before anything")
	p := f.Begin()
	seq := f.append()
	f.Stored(p, seq)
	f.mustBeFresh(false, "stored and not applied")
	f.apply(seq)
	f.mustBeFresh(true, "applied")
	if !f.AsOf().Equal(p.begun) {
		t.Errorf("the proof is as of %v, and the append began at %v", f.AsOf(), p.begun)
	}
}

func TestWhatBeganBeforeAReconnectionProvesNothing(t *testing.T) {
	f := newStanding(t)
	f.refresh(t.Context())
	f.mustBeFresh(true, "asked")

	p := f.Begin()
	f.Reconnected()
	f.mustBeFresh(false, "reconnected")
	seq := f.append()
	f.Stored(p, seq)
	f.apply(seq)
	f.mustBeFresh(false, "with a proof that began before, and the evidence not looked at")

	f.refresh(t.Context())
	f.mustBeFresh(true, "with the evidence looked at")

	// One that comes while the evidence is looked at has it looked at again.
	f.Reconnected()
	n := f.reconnects.Load()
	f.Reconnected()
	f.checked.Store(n) // as refresh does when its look is through
	f.Stored(f.Begin(), f.append())
	f.apply(f.Last())
	f.mustBeFresh(false, "with the evidence looked at on the connection before")
}

func TestAnEventThatIsGoneMakesItRefuse(t *testing.T) {
	f := newStanding(t)
	seq := f.append()
	f.apply(seq)
	f.refresh(t.Context())
	if _, err := f.Get(t.Context(), seq); err != nil {
		t.Error(err)
	}
	f.mustBeFresh(true, "with an event that is there")
	if _, err := f.Get(t.Context(), seq+1); !errors.Is(err, eventstore.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	f.mustBeFresh(false, "with an event that is gone")
}

func TestAReplacedStreamIsNoMatterOfTheDisk(t *testing.T) {
	if r, ok := errors.AsType[*Refusal](asRefusal(eventstore.ErrReplaced)); !ok || r.Hint != restoreHint {
		t.Errorf("got %v", r)
	}
}
