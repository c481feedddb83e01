package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/natsserver"
)

// An older copy that went on elsewhere is longer than what was applied here, and
// yet not what was applied here.
func TestRefusesAStreamThatWentAnotherWay(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	copyTree(t, n.data, filepath.Join(n.dir, "fork"))
	for i, name := range []string{"here", "there", "there too", "and there"} {
		if i == 1 {
			copyTree(t, n.data, filepath.Join(n.dir, "here"))
			copyTree(t, filepath.Join(n.dir, "fork"), n.data)
		}
		n.start()
		if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		n.stop()
	}
	// The stream went on there; the read model is the one from here.
	copyTree(t, filepath.Join(n.dir, "here", "projections"), filepath.Join(n.data, "projections"))
	mustRefuse(t, n, "not the one that was applied here")
}

func TestRefusesTheStreamOfAnotherLedger(t *testing.T) {
	t.Parallel()
	n, other := filled(t, 5), filled(t, 9)
	copyTree(t, filepath.Join(other.data, "stream"), filepath.Join(n.data, "stream"))
	mustRefuse(t, n, "replaced or altered")
	// Without the read model the evidence beside it tells, without that the audit
	// log, and without that the identity.
	for _, lost := range []struct{ path, says string }{
		{"projections", "replaced or altered"}, {filepath.Join("keys", "evidence.json"), "not the one in the audit log"},
		{"audit", "belongs to ledger"},
	} {
		for _, path := range []string{"projections", lost.path} {
			if err := os.RemoveAll(filepath.Join(n.data, path)); err != nil {
				t.Fatal(err)
			}
		}
		mustRefuse(t, n, lost.says)
	}
}

// A stream that was altered in its middle, and is whole in every other way, has the
// same last event.
func TestRefusesAStreamThatWasAlteredInTheMiddle(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	was := openStream(t, n.data)
	var messages []*jetstream.RawStreamMsg
	for seq := uint64(1); ; seq++ {
		m, err := was.stream.GetMsg(t.Context(), seq)
		if err != nil {
			break
		}
		messages = append(messages, m)
	}
	was.close()
	if err := os.RemoveAll(filepath.Join(n.data, "stream")); err != nil {
		t.Fatal(err)
	}
	is := openStream(t, n.data)
	for i, m := range messages {
		if i == 3 {
			m.Data = bytes.Replace(m.Data, []byte("before the fault"), []byte("after the fault!"), 1)
		}
		if _, err := is.js.Publish(t.Context(), m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
	}
	is.close()
	mustRefuse(t, n, "the event at sequence", "not the one in the audit log", "doctor")
}

// TestRefusesAForeignEvent: somebody who reached the stream published on it.
func TestRefusesAForeignEvent(t *testing.T) {
	t.Parallel()
	for name, publish := range map[string]func(old *jetstream.RawStreamMsg) (subject string, data []byte){
		"no event": func(*jetstream.RawStreamMsg) (string, []byte) {
			return "ledger.default.revoked", []byte(`{"not":"ours"}`)
		},
		"on another tenant's subject": func(old *jetstream.RawStreamMsg) (string, []byte) {
			return "ledger.acme.generated", old.Data
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := filled(t, 5)
			s := openStream(t, n.data)
			info, err := s.stream.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			old, err := s.stream.GetMsg(t.Context(), 3)
			if err != nil {
				t.Fatal(err)
			}
			subject, data := publish(old)
			if _, err := s.js.Publish(t.Context(), subject, data); err != nil {
				t.Fatal(err)
			}
			s.close()
			mustRefuse(t, n, fmt.Sprintf("sequence %d", info.State.LastSeq+1))
		})
	}
}

// rawStream is the stream of a stopped node as whoever has its disk can reach it.
type rawStream struct {
	store  *eventstore.Store
	js     jetstream.JetStream
	stream jetstream.Stream
	close  func()
}

// openStream opens the stream below data, and makes it if there is none.
func openStream(t *testing.T, data string) rawStream {
	t.Helper()
	s, err := natsserver.Start(natsserver.Config{StoreDir: filepath.Join(data, "stream"), Listen: natsserver.ListenOff})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	store, err := eventstore.Open(eventstore.Config{Conn: nc, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), eventstore.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return rawStream{store, js, stream, func() { store.Close(); nc.Close(); s.Shutdown() }}
}
