package index_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/events"
)

// testLog is a log that ends with the test, with n events.
func testLog(t *testing.T, n int) (index.Log, []events.Recorded) {
	t.Helper()
	l := openLog(t, t.TempDir())
	t.Cleanup(func() { _ = l.Close() })
	return l, fill(t, l, nil, n)
}

// found gives what is found of a tenant.
func found(t *testing.T, x *running, tenant string) (seqs []uint64) {
	t.Helper()
	p, err := x.Find(t.Context(), index.Query{Tenant: tenant}, 0, func(seq uint64) bool {
		seqs = append(seqs, seq)
		return true
	})
	if err != nil || !p.Done {
		t.Fatalf("%+v, %v", p, err)
	}
	return seqs
}

// An index of another log, or of more than the log has, is of no use.
func TestAnIndexThatIsNotOfThisLogIsBuiltAnew(t *testing.T) {
	for name, other := range map[string]int{"longer": 60, "of other events": 45} {
		t.Run(name, func(t *testing.T) {
			fs := memory()
			log := openLog(t, t.TempDir())
			defer log.Close()
			// Its events are shifted by one.
			var past []events.Recorded
			for seq := uint64(1); seq <= uint64(other); seq++ {
				past = append(past, record(t, seq, began.Add(time.Duration(seq)*time.Minute), "elsewhere", &events.TokenSuspended{About: events.About{TokenID: id(9)}}))
			}
			if err := log.Append(past); err != nil {
				t.Fatal(err)
			}
			x := run(t, index.Config{FS: fs, Log: log, Block: 10})
			x.wait(uint64(other))
			x.close()

			mine, past := testLog(t, 50)
			x = run(t, index.Config{FS: fs, Log: mine, Block: 10})
			defer x.close()
			x.wait(50)
			if got := found(t, x, "elsewhere"); len(got) > 0 {
				t.Errorf("events of the other log: %d", got)
			}
			if got, want := found(t, x, "acme"), scan(past, index.Query{Tenant: "acme"}, 0); !slices.Equal(got, want) {
				t.Errorf("found %d, not %d", got, want)
			}
		})
	}
}

// each calls do with the store's files.
func each(t *testing.T, fs vfs.FS, do func(path string)) {
	t.Helper()
	names, err := fs.List("index")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		do(fs.PathJoin("index", n))
	}
}

func overwrite(t *testing.T, fs vfs.FS, path string, change func([]byte) []byte) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	w, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(change(b)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnreadableIndexIsBuiltAnew(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, vfs.FS){
		"deleted": func(t *testing.T, fs vfs.FS) { _ = fs.RemoveAll("index") },
		"manifest flipped": func(t *testing.T, fs vfs.FS) {
			each(t, fs, func(path string) {
				if strings.HasPrefix(fs.PathBase(path), "MANIFEST") {
					overwrite(t, fs, path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
				}
			})
		},
		"manifest deleted": func(t *testing.T, fs vfs.FS) {
			each(t, fs, func(path string) {
				if strings.HasPrefix(fs.PathBase(path), "MANIFEST") {
					_ = fs.Remove(path)
				}
			})
		},
		"tables deleted": func(t *testing.T, fs vfs.FS) {
			each(t, fs, func(path string) {
				if strings.HasSuffix(path, ".sst") {
					_ = fs.Remove(path)
				}
			})
		},
		"tables cut": func(t *testing.T, fs vfs.FS) {
			each(t, fs, func(path string) {
				if strings.HasSuffix(path, ".sst") {
					overwrite(t, fs, path, func(b []byte) []byte { return b[:len(b)/3] })
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := memory()
			log, past := testLog(t, 50)
			x := run(t, index.Config{FS: fs, Log: log, Block: 10})
			x.wait(50)
			x.close()
			damage(t, fs)
			x = run(t, index.Config{FS: fs, Log: log, Block: 10})
			defer x.close()
			x.wait(50)
			if got, want := found(t, x, "b"), scan(past, index.Query{Tenant: "b"}, 0); !slices.Equal(got, want) {
				t.Errorf("found %d, not %d", got, want)
			}
		})
	}
}

// Damage that shows later is told to who asks, and to nobody else.
func TestADamagedTableEndsTheIndexAlone(t *testing.T) {
	fs := memory()
	log, _ := testLog(t, 3000)
	x := run(t, index.Config{FS: fs, Log: log, Block: 10})
	x.wait(3000)
	x.close()
	each(t, fs, func(path string) {
		if strings.HasSuffix(path, ".sst") {
			overwrite(t, fs, path, func(b []byte) []byte {
				// The position lies at the beginning, what describes the blocks at the end.
				for i := len(b) / 4; i < len(b)*2/3; i++ {
					b[i] ^= 0x55
				}
				return b
			})
		}
	})
	x = run(t, index.Config{FS: fs, Log: log, Block: 10})
	var un *index.UnavailableError
	err := x.WaitFor(t.Context(), 3000)
	if err == nil {
		_, err = x.Find(t.Context(), index.Query{AllTenants: true, Kinds: []string{"suspended"}, Token: id(3)}, 0, func(uint64) bool { return true })
	}
	if !errors.As(err, &un) || !strings.Contains(err.Error(), "delete the folder index to have it built anew") {
		t.Fatalf("Find gives %v", err)
	}
	if err := x.WaitFor(t.Context(), 1); !errors.As(err, &un) {
		t.Errorf("WaitFor gives %v", err)
	}
	if err := <-x.done; !errors.As(err, &un) {
		t.Errorf("Run gives %v", err)
	}
	if _, err := log.Leaf(3000); err != nil {
		t.Error(err)
	}
}

// full is a disk on which nothing can be written from some time on.
type full struct{ on atomic.Bool }

func (f *full) String() string { return "full" }

func (f *full) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpRename, errorfs.OpLink:
		if f.on.Load() {
			return syscall.ENOSPC
		}
	}
	return nil
}

func TestAFullDiskEndsTheIndexAlone(t *testing.T) {
	var disk full
	fs := memory()
	log := openLog(t, t.TempDir())
	defer log.Close()
	past := fill(t, log, nil, 25)
	x := run(t, index.Config{FS: errorfs.Wrap(fs, &disk), Log: log, Block: 10})
	x.wait(25)
	disk.on.Store(true)
	past = fill(t, log, past, 500) // the log goes on
	var un *index.UnavailableError
	if err := <-x.done; !errors.As(err, &un) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Run gives %v", err)
	}
	if err := x.WaitFor(t.Context(), 1); !errors.As(err, &un) {
		t.Errorf("WaitFor gives %v", err)
	}
	if _, err := x.Find(t.Context(), index.Query{Tenant: "b"}, 0, nil); !errors.As(err, &un) {
		t.Errorf("Find gives %v", err)
	}
	if _, err := x.LastBefore(t.Context(), began, 1); !errors.As(err, &un) {
		t.Errorf("LastBefore gives %v", err)
	}

	disk.on.Store(false)
	x = run(t, index.Config{FS: fs, Log: log, Block: 10})
	defer x.close()
	x.wait(uint64(len(past)))
	if got, want := found(t, x, "b"), scan(past, index.Query{Tenant: "b"}, 0); !slices.Equal(got, want) {
		t.Errorf("found %d, not %d", got, want)
	}
}

// A database that is something else is nothing to delete.
func TestAForeignDatabaseIsLeftAlone(t *testing.T) {
	fs := memory()
	db, err := pebble.Open("index", &pebble.Options{FS: fs, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("theirs"), nil, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	log, _ := testLog(t, 1)
	x := run(t, index.Config{FS: fs, Log: log})
	var un *index.UnavailableError
	if err := <-x.done; !errors.As(err, &un) {
		t.Fatalf("Run gives %v", err)
	}
	if db, err = pebble.Open("index", &pebble.Options{FS: fs, Logger: quiet{}}); err != nil {
		t.Fatal(err)
	}
	if _, c, err := db.Get([]byte("theirs")); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
	_ = db.Close()
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

// Two indexes on one folder: the second leaves the first its store.
func TestAnIndexInUseIsLeftAlone(t *testing.T) {
	log, past := testLog(t, 50)
	dir := t.TempDir()
	x := run(t, index.Config{Dir: dir, Log: log, Block: 10})
	defer x.close()
	x.wait(50)
	var un *index.UnavailableError
	if err := <-run(t, index.Config{Dir: dir, Log: log, Block: 10}).done; !errors.As(err, &un) {
		t.Errorf("the second's Run gives %v", err)
	}
	if got, want := found(t, x, "b"), scan(past, index.Query{Tenant: "b"}, 0); !slices.Equal(got, want) {
		t.Errorf("found %d, not %d", got, want)
	}
}

// Who asks before the index is open, or ahead of the log, waits as long as it likes.
func TestWaitsEndWithTheirContext(t *testing.T) {
	log, _ := testLog(t, 3)
	x := index.New(index.Config{Dir: "index", FS: memory(), Log: log})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var behind *index.BehindError
	if err := x.WaitFor(ctx, 1); !errors.As(err, &behind) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitFor gives %v", err)
	}
	if _, err := x.Find(ctx, index.Query{AllTenants: true}, 0, nil); !errors.As(err, &behind) {
		t.Errorf("Find gives %v", err)
	}
	if _, err := x.LastBefore(ctx, began, 3); !errors.As(err, &behind) {
		t.Errorf("LastBefore gives %v", err)
	}
}

// broken is a log that has lost an entry.
type broken struct{ index.Log }

func (b broken) Leaves(first, last uint64, each func(uint64, []byte) error) error {
	return b.Log.Leaves(first, last, func(seq uint64, leaf []byte) error {
		if seq == 13 {
			leaf = []byte("{}")
		}
		return each(seq, leaf)
	})
}

// An index that left out what it cannot read would hide it.
func TestAnAlteredLogEndsTheIndex(t *testing.T) {
	log, _ := testLog(t, 20)
	x := run(t, index.Config{FS: memory(), Log: broken{log}, Block: 10})
	var un *index.UnavailableError
	if err := <-x.done; !errors.As(err, &un) || !strings.Contains(err.Error(), "sequence 13") || strings.Contains(err.Error(), "delete") {
		t.Errorf("Run gives %v", err)
	}
}
