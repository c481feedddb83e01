package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenledger/tokenledger/client/api"
)

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	second := newNode(t)
	second.data = n.data
	second.launch()
	if code := second.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := second.log.String(); !strings.Contains(said, "in use by another tokenledger") {
		t.Errorf("it says:\n%s", said)
	}
	if _, err := n.client().Generate(t.Context(), api.GenerateRequest{Name: "still here"}); err != nil {
		t.Error(err)
	}
}

func TestABusyPortIsRefusedAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start()
	for _, args := range [][]string{
		{"--http", strings.TrimPrefix(n.url, "http://")},
		{"--nats-listen", strings.TrimPrefix(n.nats, "nats://")},
	} {
		second := newNode(t, args...)
		second.launch()
		if code := second.end(); code != 1 {
			t.Errorf("%v: exit code %d, want 1", args, code)
		}
		if said := second.log.String(); !strings.Contains(said, "another") || !strings.Contains(said, args[1]) {
			t.Errorf("%v: it says:\n%s", args, said)
		}
		if _, err := os.Stat(filepath.Join(second.dir, "root-token")); err == nil {
			t.Errorf("%v: a root token was handed over", args)
		}
	}
}

func TestADirectoryOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	n := filled(t, 1)
	path := filepath.Join(n.data, "keys", "identity.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(raw), `"format": 1`, `"format": 7`, 1)
	if newer == string(raw) {
		t.Fatalf("no format in %s", raw)
	}
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	n.launch()
	if code := n.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := n.log.String(); !strings.Contains(said, "newer version") || !strings.Contains(said, "format 7") {
		t.Errorf("it says:\n%s", said)
	}
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	file := filepath.Join(n.dir, "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n.data = filepath.Join(file, "data")
	n.launch()
	if code := n.end(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := n.log.String(); !strings.Contains(said, "data directory") {
		t.Errorf("it says:\n%s", said)
	}
}
