package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tokenledger/tokenledger/audit/layout"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/archive/archivetest"
	"github.com/tokenledger/tokenledger/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustExamine(t *testing.T, cfg Config) *Report {
	t.Helper()
	r, err := Examine(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// codes gives the codes of what is wrong.
func codes(r *Report) (all []string) {
	for _, f := range r.Findings {
		if f.Severity != Note {
			all = append(all, f.Code)
		}
	}
	slices.Sort(all)
	return all
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheDoctorFindsWhatIsWrongAndChangesNothing(t *testing.T) {
	const n = 300
	for name, c := range map[string]struct {
		do     func(t *testing.T, d archivetest.Data)
		damage bool
		codes  []string
		says   string
	}{
		"nothing":        {func(*testing.T, archivetest.Data) {}, false, nil, ""},
		"the log behind": {func(_ *testing.T, d archivetest.Data) { d.Append(3) }, false, nil, ""},
		"a flipped bit":  {func(_ *testing.T, d archivetest.Data) { d.Flip(7); d.Flip(8) }, true, []string{"stream_lost"}, "2 events that the log has: sequences 7 to 8"},
		"no stream":      {func(t *testing.T, d archivetest.Data) { must(t, os.RemoveAll(d.Stream())) }, true, []string{"stream_missing"}, "has 300 events"},
		"an emptied stream": {func(t *testing.T, d archivetest.Data) {
			must(t, os.RemoveAll(d.Stream()))
			d.Append(0)
		}, true, []string{"stream_missing"}, "--restore-stream"},
		"an older copy": {func(t *testing.T, d archivetest.Data) { older(t, d) }, true, []string{"stream_ends_early"}, "ends at sequence 300, and the log has 310"},
		"another's stream": {func(t *testing.T, d archivetest.Data) {
			other := archivetest.New(t, n+5)
			must(t, os.RemoveAll(d.Stream()))
			must(t, os.Rename(other.Stream(), d.Stream()))
		}, true, []string{"stream_changed"}, "sequences 1 to 300 (payload, time)"},
		"an entry of the log": {func(t *testing.T, d archivetest.Data) { flip(t, filepath.Join(d.Audit(), layout.SegmentFile(0)), 9000) }, true, []string{"log_damaged"}, "entry for sequence"},
		"a hash of the log": {func(t *testing.T, d archivetest.Data) {
			flip(t, filepath.Join(d.Audit(), layout.TileFile(0)), 100*layout.HashSize+5)
		}, true, []string{"log_damaged"}, "tiles/0 has a hash for sequence 101 that is not that of its entry"},
		"no log":         {func(t *testing.T, d archivetest.Data) { must(t, os.RemoveAll(d.Audit())) }, true, []string{"log_missing"}, "makes the log anew"},
		"the checkpoint": {func(t *testing.T, d archivetest.Data) { flip(t, filepath.Join(d.Audit(), "checkpoint"), 30) }, true, []string{"checkpoint_damaged"}, ""},
		"both": {func(t *testing.T, d archivetest.Data) {
			d.Flip(9)
			flip(t, filepath.Join(d.Audit(), layout.SegmentFile(0)), 9000)
		}, true, []string{"log_damaged", "stream_lost"}, "the log is not whole"},
		"another's keys": {func(t *testing.T, d archivetest.Data) {
			other := archivetest.New(t, 3)
			must(t, os.RemoveAll(d.Keys()))
			must(t, os.Rename(other.Keys(), d.Keys()))
		}, true, []string{"checkpoint_damaged", "evidence_differs"}, ""},
		"no identity":   {func(t *testing.T, d archivetest.Data) { must(t, os.Remove(filepath.Join(d.Keys(), "identity.json"))) }, false, []string{"key_missing"}, "keys/identity.json is missing"},
		"no log.key":    {func(t *testing.T, d archivetest.Data) { must(t, os.Remove(filepath.Join(d.Keys(), "log.key"))) }, false, []string{"key_missing"}, "keys/log.key is missing"},
		"a key in view": {func(t *testing.T, d archivetest.Data) { must(t, os.Chmod(filepath.Join(d.Keys(), "log.key"), 0o644)) }, false, []string{"keys_open"}, "keys/log.key (0644)"},
		"applied, and gone": {func(t *testing.T, d archivetest.Data) {
			id, err := identity.Open(d.Keys())
			must(t, err)
			must(t, id.KeepEvidence(identity.Evidence{Seq: 350}))
		}, true, []string{"applied_gone"}, "up to sequence 350"},
		"a restored one, behind": {func(t *testing.T, d archivetest.Data) {
			tree := d.Reader().Tree()
			m := identity.Restored{Backup: identity.Mark{Size: n, Root: tree.Hash}, Newest: identity.Mark{Size: n + 10}}
			must(t, m.Write(d.Keys()))
		}, true, []string{"restored_behind"}, "10 events between"},
	} {
		t.Run(name, func(t *testing.T) {
			d := archivetest.New(t, n)
			c.do(t, d)
			before := archivetest.Files(t, d.Dir)
			r := mustExamine(t, Config{Data: d.Dir})
			if diff := cmp.Diff(before, archivetest.Files(t, d.Dir)); diff != "" {
				t.Errorf("the directory was changed: %s", diff)
			}
			if got := codes(r); !slices.Equal(got, c.codes) || r.Damaged() != c.damage || r.Healthy != (c.codes == nil) {
				t.Errorf("found %v, damaged %v, healthy %v; want %v", got, r.Damaged(), r.Healthy, c.codes)
			}
			doc, err := json.MarshalIndent(r, "", " ")
			if err != nil || !strings.Contains(string(doc), c.says) {
				t.Errorf("the report does not say %q: %s %v", c.says, doc, err)
			}
		})
	}
}

// older puts a copy of the stream in its place, after the ledger went on.
func older(t *testing.T, d archivetest.Data) {
	t.Helper()
	kept := filepath.Join(t.TempDir(), "kept")
	must(t, os.CopyFS(kept, os.DirFS(d.Stream())))
	d.Append(10)
	d.Log()
	must(t, os.RemoveAll(d.Stream()))
	must(t, os.CopyFS(d.Stream(), os.DirFS(kept)))
}

func TestTheDoctorLeavesARunningNodeAlone(t *testing.T) {
	d := archivetest.New(t, 3)
	lock, err := identity.LockDir(d.Dir)
	must(t, err)
	defer lock.Release()
	if _, err := Examine(t.Context(), Config{Data: d.Dir}); !isLocked(err) {
		t.Errorf("the error is %v", err)
	}
	empty := t.TempDir()
	if _, err := Examine(t.Context(), Config{Data: empty}); err == nil || !strings.Contains(err.Error(), "not a node's data directory") {
		t.Errorf("the error is %v", err)
	}
	if left, _ := os.ReadDir(empty); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func isLocked(err error) bool { _, ok := errors.AsType[*identity.LockedError](err); return ok }

// healthy has the directory healthy, with n events, as the archive has them.
func healthy(t *testing.T, d archivetest.Data, n uint64) {
	t.Helper()
	r := mustExamine(t, Config{Data: d.Dir})
	if !r.Healthy || r.Stream.Stream != n {
		t.Fatalf("it is not healthy with %d events: %+v", n, r)
	}
	// The log goes on over it.
	d.Append(2)
	d.Log()
	if r = mustExamine(t, Config{Data: d.Dir}); !r.Healthy || r.Log.Size != n+2 || r.Evidence != n+2 {
		t.Fatalf("it does not go on: %+v", r)
	}
}

func TestAStreamIsRestored(t *testing.T) {
	const n = 300
	for name, c := range map[string]struct {
		do       func(t *testing.T, d archivetest.Data)
		followed uint64
		kept     bool
	}{
		"lost events":                            {func(_ *testing.T, d archivetest.Data) { d.Flip(7); d.Flip(n) }, 0, true},
		"lost events, and more than the log has": {func(_ *testing.T, d archivetest.Data) { d.Append(4); d.Flip(7) }, 4, true},
		"no stream":                              {func(t *testing.T, d archivetest.Data) { must(t, os.RemoveAll(d.Stream())) }, 0, false},
		"an older copy":                          {func(t *testing.T, d archivetest.Data) { older(t, d) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := archivetest.New(t, n)
			c.do(t, d)
			size := d.Reader().Size()
			before := archivetest.Files(t, d.Dir)
			r := mustExamine(t, Config{Data: d.Dir, RestoreStream: true})
			if !r.Healthy || r.Restored == nil || r.Restored.Archived != size || r.Restored.Followed != c.followed || (r.Restored.Damaged != "") != c.kept {
				t.Fatalf("the report is %+v %+v", r, r.Restored)
			}
			after := archivetest.Files(t, d.Dir)
			if c.kept {
				for path, content := range before {
					if moved, ok := strings.CutPrefix(path, "stream"); ok && after[r.Restored.Damaged+moved] != content {
						t.Errorf("the damaged store has not kept %s", path)
					}
				}
			}
			for path, content := range before {
				if !strings.HasPrefix(path, "stream") && after[path] != content {
					t.Errorf("%s was changed", path)
				}
			}
			healthy(t, d, size+c.followed)
			if r = mustExamine(t, Config{Data: d.Dir, RestoreStream: true}); r.Restored != nil {
				t.Errorf("a healthy stream was restored: %+v", r.Restored)
			}
		})
	}
}

func TestAStreamIsNotRestoredAtALoss(t *testing.T) {
	const n = 300
	for name, c := range map[string]struct {
		do     func(t *testing.T, d archivetest.Data)
		says   string
		accept bool // can be accepted
	}{
		"the log is damaged": {func(t *testing.T, d archivetest.Data) {
			d.Flip(9)
			flip(t, filepath.Join(d.Audit(), layout.SegmentFile(0)), 9000)
		}, "no audit log that is whole", false},
		"the checkpoint is another's": {func(t *testing.T, d archivetest.Data) {
			d.Flip(9)
			flip(t, filepath.Join(d.Audit(), "checkpoint"), 30)
		}, "no audit log that is whole", false},
		// The stream may be the one that was applied; the log is not.
		"another log by the same key": {func(t *testing.T, d archivetest.Data) {
			d.Flip(9)
			evidence := fmt.Sprintf(`{"seq":%d,"sha256":"%064x"}`, n-1, 1)
			must(t, os.WriteFile(filepath.Join(d.Keys(), "evidence.json"), []byte(evidence), 0o600))
		}, "and this node's", false},
		"applied, and gone": {func(t *testing.T, d archivetest.Data) {
			d.Flip(9)
			id, err := identity.Open(d.Keys())
			must(t, err)
			must(t, id.KeepEvidence(identity.Evidence{Seq: 350}))
		}, "350 were applied", false},
		"what follows cannot be placed": {func(t *testing.T, d archivetest.Data) {
			d.Append(4)
			s, _, stop := archivetest.Open(t, d.Stream())
			e, err := s.Get(t.Context(), n+2)
			stop()
			must(t, err)
			d.FlipID(e.Event.ID)
		}, "3 events of the stream behind sequence 301 would be left behind: the event at sequence 302 is lost", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := archivetest.New(t, n)
			c.do(t, d)
			before := archivetest.Files(t, d.Dir)
			r, err := Examine(t.Context(), Config{Data: d.Dir, RestoreStream: true})
			if _, ok := errors.AsType[*NotRestoredError](err); !ok || !strings.Contains(err.Error(), c.says) || r == nil || r.Healthy {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
			if diff := cmp.Diff(before, archivetest.Files(t, d.Dir)); diff != "" {
				t.Errorf("the directory was changed: %s", diff)
			}
			r, err = Examine(t.Context(), Config{Data: d.Dir, RestoreStream: true, AcceptLoss: true})
			if (err == nil) != c.accept {
				t.Fatalf("with the loss accepted: %v", err)
			}
			if c.accept {
				if r.Restored.Left != 3 || r.Restored.Followed != 1 {
					t.Errorf("restored %+v", r.Restored)
				}
				healthy(t, d, n+1)
			}
		})
	}
}

// A crash leaves the old store or the new one; whatever comes next, nothing is lost.
func TestACrashInARestoreLosesNothing(t *testing.T) {
	const n = 300
	for _, at := range []string{"built", "complete", "moved"} {
		for _, next := range []string{"restore", "examine", "start"} {
			t.Run(at+", then "+next, func(t *testing.T) {
				d := archivetest.New(t, n)
				d.Append(4) // not in the log
				d.Flip(7)
				old := archivetest.Files(t, d.Stream())
				killed := Config{Data: d.Dir, RestoreStream: true, step: func(s string) error {
					if s == at || s == "drop" {
						return errCrash
					}
					return nil
				}}
				if _, err := Examine(t.Context(), killed); !errors.Is(err, errCrash) {
					t.Fatalf("the error is %v", err)
				}
				switch next {
				case "examine":
					if r := mustExamine(t, Config{Data: d.Dir}); r.Healthy {
						t.Errorf("it is healthy: %+v", r)
					}
				case "start":
					// A node that starts meanwhile makes an empty store where there is none.
					_, _, stop := archivetest.Open(t, d.Stream())
					stop()
				}
				r := mustExamine(t, Config{Data: d.Dir, RestoreStream: true})
				if !r.Healthy || r.Stream.Stream != n+4 {
					t.Fatalf("after it: %+v", r)
				}
				if next != "start" && !slices.ContainsFunc(names(t, d.Dir), func(name string) bool {
					return strings.HasPrefix(name, damagedPrefix) && maps.Equal(archivetest.Files(t, filepath.Join(d.Dir, name)), old)
				}) {
					t.Errorf("the old store is gone: %v", names(t, d.Dir))
				}
				for _, left := range []string{buildingStore, completeStore} {
					if slices.Contains(names(t, d.Dir), left) {
						t.Errorf("%s is left", left)
					}
				}
				healthy(t, d, n+4)
			})
		}
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A stream on another server is compared where it lies, and restored there only if
// nothing is in its place.
func TestAnExternalStream(t *testing.T) {
	d := archivetest.New(t, 50)
	other := archivetest.New(t, 60)
	url, stop := archivetest.Listen(t, other.Stream())
	before := archivetest.Files(t, d.Dir)
	cfg := Config{Data: d.Dir, NATSURL: url, Replicas: 1, RestoreStream: true, AcceptLoss: true}
	r, err := Examine(t.Context(), cfg)
	if _, ok := errors.AsType[*NotRestoredError](err); !ok || !strings.Contains(err.Error(), "not empty") || r.Stream.Changed != 50 {
		t.Errorf("%v %+v", err, r)
	}
	stop()
	url, stop = archivetest.Listen(t, t.TempDir())
	defer stop()
	cfg.NATSURL = url
	if r = mustExamine(t, cfg); !r.Healthy || r.Restored.Archived != 50 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(before, archivetest.Files(t, d.Dir)); diff != "" {
		t.Errorf("the directory was changed: %s", diff)
	}
	cfg.NATSURL = "nats://127.0.0.1:1"
	if _, err := Examine(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "check that it runs") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnExaminationCanBeStopped(t *testing.T) {
	d := archivetest.New(t, 50)
	before := archivetest.Files(t, d.Dir)
	ctx, cancel := context.WithCancel(t.Context())
	progress := archive.Progress(func(string, uint64, uint64) { cancel() })
	if _, err := Examine(ctx, Config{Data: d.Dir, Progress: progress}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(before, archivetest.Files(t, d.Dir)); diff != "" {
		t.Errorf("the directory was changed: %s", diff)
	}
}
