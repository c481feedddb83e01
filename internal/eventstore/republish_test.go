package eventstore

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

func newRevocation(tenant string) events.Event {
	e := newEvent(0)
	about := e.Data.(*events.TokenGenerated).About
	e.Tenant, e.Data = tenant, &events.TokenRevoked{About: about, EffectiveAt: e.Time, ReasonCode: "leaked"}
	return e
}

// copies reads n copies of revocations.
func copies(t *testing.T, sub *nats.Subscription, n int) (all []*nats.Msg) {
	t.Helper()
	for range n {
		m, err := sub.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatalf("copy %d of %d: %v", len(all)+1, n, err)
		}
		all = append(all, m)
	}
	return all
}

// sequences reads the event's sequence and that of the one before it on its subject.
func sequences(t *testing.T, m *nats.Msg) (seq, before uint64) {
	t.Helper()
	seq, err1 := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	before, err2 := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
	if err1 != nil || err2 != nil || m.Header.Get(jetstream.StreamHeader) != Stream {
		t.Fatalf("a copy's headers are %v", m.Header)
	}
	return seq, before
}

func listen(t *testing.T, nc *nats.Conn) *nats.Subscription {
	t.Helper()
	sub, err := nc.SubscribeSync(events.RevocationsPrefix + ">")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return sub
}

// testRevocationsArePublishedAgain appends revocations singly and in batches, and holds
// each copy against the event in the stream.
func testRevocationsArePublishedAgain(t *testing.T, s *Store, nc *nats.Conn) {
	t.Helper()
	sub := listen(t, nc)
	state, err := s.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]uint64{}
	if state.Last > 0 {
		for _, r := range collect(t, s, 0, int(state.Last)) {
			if strings.HasSuffix(r.Subject, ".revoked") {
				before[r.Event.Tenant] = r.Seq
			}
		}
	}
	var want []events.Event
	var seqs []uint64
	add := func(evs ...events.Event) {
		last, err := s.Append(t.Context(), evs...)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range evs {
			if e.Data.Type().Kind() == "revoked" {
				want, seqs = append(want, e), append(seqs, last-uint64(len(evs)-1-i))
			}
		}
	}
	add(newRevocation("acme"))
	add(newEvent(1))
	add(newRevocation("other"))
	add(newEvent(2), newRevocation("acme"))                                                // a batch: a token is rotated
	add(newRevocation("acme"), newRevocation("other"), newEvent(3), newRevocation("acme")) // a batch of several
	for i, m := range copies(t, sub, len(want)) {
		seq, last := sequences(t, m)
		raw, err := events.Encode(want[i])
		if err != nil {
			t.Fatal(err)
		}
		tenant := want[i].Tenant
		if m.Subject != events.RevocationsPrefix+tenant || seq != seqs[i] || last != before[tenant] || !bytes.Equal(m.Data, raw) {
			t.Errorf("copy %d came on %s as event %d after %d, want %d after %d: %s", i, m.Subject, seq, last, seqs[i], before[tenant], m.Data)
		}
		before[tenant] = seq
	}
	if m, err := sub.NextMsg(50 * time.Millisecond); err == nil {
		t.Errorf("there is a copy too many on %s", m.Subject)
	}
}

func TestRevocationsArePublishedAgainSinglyInBatchesAndAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		srv, nc := startServer(t, natsserver.Config{StoreDir: dir})
		s := openStore(t, Config{Conn: nc})
		if err := s.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		testRevocationsArePublishedAgain(t, s, nc)
		s.Close()
		nc.Close()
		srv.Shutdown()
	}
}

// Many at once are gathered into batches of the committer's own.
func TestEveryRevocationOfManyAtOnceIsPublishedAgain(t *testing.T) {
	s, nc := newStore(t)
	sub := listen(t, nc)
	const callers, each = 200, 3
	failed := make(chan error, callers)
	for range callers {
		go func() {
			for range each {
				if _, err := s.Append(t.Context(), newRevocation("acme")); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range callers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	var last uint64
	for _, m := range copies(t, sub, callers*each) {
		seq, before := sequences(t, m)
		if before != last {
			t.Fatalf("event %d says that %d was before it, and %d was", seq, before, last)
		}
		last = seq
	}
}

func TestAStreamOfAnEarlierBuildPublishesRevocationsAgainWhenItIsTold(t *testing.T) {
	dir := t.TempDir()
	srv, nc := startServer(t, natsserver.Config{StoreDir: dir})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	old := streamConfig(1)
	old.RePublish = nil
	old.Metadata = map[string]string{"kept": "yes"}
	made, err := js.CreateStream(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := openStore(t, Config{Conn: nc, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	sub := listen(t, nc)
	if _, err := s.Append(t.Context(), newRevocation("acme")); err != nil {
		t.Fatal(err)
	}

	// Of another's stream nothing is changed, and the operator is told what to do.
	if err := s.Republish(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "docs/nats.md") || !strings.Contains(log.String(), "revocations.{{wildcard(1)}}") {
		t.Errorf("the log does not say how to set it: %s", log.String())
	}
	if info, err := made.Info(t.Context()); err != nil || info.Config.RePublish != nil {
		t.Fatalf("the stream was changed: %+v, %v", info.Config.RePublish, err)
	}
	if m, err := sub.NextMsg(50 * time.Millisecond); err == nil {
		t.Fatalf("a copy came on %s", m.Subject)
	}

	for range 2 { // the second time there is nothing to do
		if err := s.Republish(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	info, err := made.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Config; got.Metadata["kept"] != "yes" || !got.DenyDelete || !got.DenyPurge || !got.AllowAtomicPublish || got.Compression != jetstream.S2Compression || info.State.Msgs != 1 {
		t.Errorf("something else changed: %+v", got)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	testRevocationsArePublishedAgain(t, s, nc)
	if n := strings.Count(log.String(), "from now on"); n != 1 {
		t.Errorf("the change stands in the log %d times", n)
	}

	s.Close()
	nc.Close()
	srv.Shutdown()
	_, nc = startServer(t, natsserver.Config{StoreDir: dir})
	s = openStore(t, Config{Conn: nc})
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	testRevocationsArePublishedAgain(t, s, nc)
}
