package identity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// log is an audit log, as far as its roots go.
type log struct {
	size uint64
	fork uint64 // from this size on, its roots are others
}

func (l log) Size() uint64 { return l.size }

func (l log) TreeAt(n uint64) (tlog.Tree, error) {
	if n > l.size {
		return tlog.Tree{}, errors.New("not yet")
	}
	h := root(n)
	if l.fork > 0 && n >= l.fork {
		h[31] = 1
	}
	return tlog.Tree{N: int64(n), Hash: h}, nil
}

func root(n uint64) (h tlog.Hash) { h[0] = byte(n); return h }

func TestARestoredNodeDoesNotServeAnOlderState(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	backup := Mark{100, root(100)}
	newer := Mark{120, root(120)}
	for name, c := range map[string]struct {
		marker           *Restored
		log              log
		stream           uint64
		starts, serves   string // what the refusal says
		silent, accepted bool
	}{
		"not restored":                   {nil, log{size: 5}, 5, "", "", true, false},
		"nothing newer is known":         {&Restored{Backup: backup, Time: at}, log{size: 100}, 100, "", "", false, false},
		"a newer checkpoint":             {&Restored{Backup: backup, Newest: newer, Time: at}, log{size: 100}, 100, "20 events between", "20 events between", false, false},
		"the stream ends before it":      {&Restored{Backup: backup, Newest: newer, Time: at}, log{size: 100}, 119, "the 1 events between", "20 events between", false, false},
		"the stream has more":            {&Restored{Backup: backup, Newest: newer, Time: at}, log{size: 100}, 120, "", "20 events between", false, false},
		"replayed past it":               {&Restored{Backup: backup, Newest: newer, Time: at}, log{size: 121}, 121, "", "", true, false},
		"replayed another stream":        {&Restored{Backup: backup, Newest: newer, Time: at}, log{size: 121, fork: 110}, 121, "another history", "another history", true, false},
		"another log":                    {&Restored{Backup: backup, Time: at}, log{size: 100, fork: 50}, 100, "another history", "another history", false, false},
		"the loss was accepted":          {&Restored{Backup: backup, Newest: newer, Time: at, LossAccepted: at}, log{size: 100}, 100, "", "", false, true},
		"it was, and the ledger goes on": {&Restored{Backup: backup, Newest: newer, Time: at, LossAccepted: at}, log{size: 130, fork: 101}, 130, "", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(err error, says string) {
				t.Helper()
				refusal, ok := errors.AsType[*RestoredError](err)
				if (says == "") != (err == nil) || err != nil && (!ok || !strings.Contains(refusal.What, says) || refusal.Hint == "") {
					t.Errorf("the error is %v, want %q", err, says)
				}
			}
			check(CheckRestored(c.marker, c.log, c.stream), c.starts)
			check(CheckReplayed(c.marker, c.log), c.serves)
			warning := c.marker.Warning(at.Add(time.Hour), c.log)
			if (warning == "") != c.silent || strings.Contains(warning, "20 events was accepted") != c.accepted {
				t.Errorf("the warning is %q", warning)
			}
			if late := c.marker.Warning(at.Add(31*24*time.Hour), c.log); late != "" {
				t.Errorf("a month later it says %q", late)
			}
		})
	}
}

func TestTheMarkerIsReadAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	if r, err := ReadRestored(dir); r != nil || err != nil {
		t.Fatal(r, err)
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	was := Restored{Backup: Mark{100, root(100)}, AsOf: at, Time: at, Newest: Mark{120, root(120)}}
	if err := was.Write(dir); err != nil {
		t.Fatal(err)
	}
	is, err := ReadRestored(dir)
	if err != nil || *is != was {
		t.Errorf("read %+v, wrote %+v: %v", is, was, err)
	}
	path := filepath.Join(dir, RestoredFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRestored(dir); err == nil {
		t.Error("a marker without a backup was taken")
	}
}
