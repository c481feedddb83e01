package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// A stream that an earlier build made does not publish revocations again, until a node
// has been started on it; what the node was killed at does not matter.
func TestAnEarlierBuildsStreamPublishesRevocationsAgain(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	c := n.client()
	tok, _ := generate(t, c, api.GenerateRequest{Name: "of before"})
	n.stop()
	s := openStream(t, n.data)
	cfg := s.stream.CachedInfo().Config
	cfg.RePublish = nil
	if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s.close()

	n.start()
	if log := n.log.String(); !strings.Contains(log, "publishes revocations again from now on") {
		t.Errorf("the log does not tell of the change: %s", log)
	}
	n.kill()
	n.log.Reset()
	n.start()
	if log := n.log.String(); strings.Contains(log, "from now on") {
		t.Error("the stream was changed once more")
	}
	sub := n.natsAs(n.token).hears("revocations.>")
	if _, err := n.client().Revoke(t.Context(), tok.ID, api.RevokeRequest{}); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(30 * time.Second); err != nil || !strings.Contains(string(m.Data), tok.ID) {
		t.Errorf("heard %v, %v", m, err)
	}
	n.stop()
}
