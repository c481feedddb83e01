package server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tokenledger/tokenledger/client/api"
)

func TestRefusesADeletedStream(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	if err := os.RemoveAll(filepath.Join(n.data, "stream")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, n, "stream is empty", "lost or replaced", "backup")
}

func TestRefusesADeletedStreamWithoutTheReadModelToo(t *testing.T) {
	t.Parallel()
	n := filled(t, 5)
	for _, dir := range []string{"stream", "projections"} {
		if err := os.RemoveAll(filepath.Join(n.data, dir)); err != nil {
			t.Fatal(err)
		}
	}
	mustRefuse(t, n, "stream is empty")
}

// rolledBack gives a stopped node whose stream is an older copy.
func rolledBack(t *testing.T) *node {
	t.Helper()
	n := filled(t, 5)
	stream, older := filepath.Join(n.data, "stream"), filepath.Join(n.dir, "older")
	copyTree(t, stream, older)
	n.start()
	if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: "after the copy"}); err != nil {
		t.Fatal(err)
	}
	n.stop()
	copyTree(t, older, stream)
	return n
}

func TestRefusesAnOlderCopyOfTheStream(t *testing.T) {
	t.Parallel()
	mustRefuse(t, rolledBack(t), "rolled back")
}

func TestRefusesAnOlderCopyOfTheStreamWithoutTheReadModelToo(t *testing.T) {
	t.Parallel()
	n := rolledBack(t)
	if err := os.RemoveAll(filepath.Join(n.data, "projections")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, n, "rolled back")
}

func TestRefusesATrimmedStream(t *testing.T) {
	t.Parallel()
	for name, trim := range map[string]func(jetstream.StreamConfig) jetstream.StreamConfig{
		"to few":  func(c jetstream.StreamConfig) jetstream.StreamConfig { c.MaxMsgs = 3; return c },
		"by size": func(c jetstream.StreamConfig) jetstream.StreamConfig { c.MaxBytes = 2000; return c },
	} {
		t.Run(name, func(t *testing.T) {
			n := filled(t, 8)
			tampered(t, n, trim)
			mustRefuse(t, n, "trimmed")
		})
	}
}

// tampered changes the stream's limits behind the node's back, and puts them back:
// what is trimmed is trimmed.
func tampered(t *testing.T, n *node, change func(jetstream.StreamConfig) jetstream.StreamConfig) {
	t.Helper()
	s := openStream(t, n.data)
	defer s.close()
	before := s.stream.CachedInfo().Config
	for _, cfg := range []jetstream.StreamConfig{change(before), before} {
		if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
}
