package usage

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
)

func mustOpen(t *testing.T, cfg Config) *Recorder {
	t.Helper()
	r, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.Close(ended)
	})
	return r
}

func TestManyCallersOverRestartsAreCountedOnceInBothDurabilities(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(map[bool]string{false: "journal", true: "strict"}[strict], func(t *testing.T) {
			s := newStream()
			cfg := testConfig(t, t.TempDir(), s)
			cfg.Strict, cfg.SegmentSize, cfg.batch = strict, 2000, 3
			var mu sync.Mutex
			want := map[string]int{}
			for range 3 {
				cfg.HighWater = s.highWater()
				r := mustOpen(t, cfg)
				var callers sync.WaitGroup
				for c := range 8 {
					callers.Go(func() {
						for i := range 40 {
							first, second := testUse((c+i)%7), testUse(i%5)
							if err := r.Record(t.Context(), first, second); err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							want[keyOfUse(first)]++
							want[keyOfUse(second)]++
							mu.Unlock()
						}
					})
				}
				callers.Wait()
				if strict {
					if diff := cmp.Diff(want, s.counted()); diff != "" {
						t.Fatalf("in the stream when Record had returned (-want +got):\n%s", diff)
					}
				}
				if err := r.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, s.counted()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithLittleLoadAWindowIsPublishedByItself(t *testing.T) {
	s := newStream()
	arrived := make(chan []events.Event, 10)
	s.before = func(evs []events.Event) (bool, error) {
		arrived <- append([]events.Event(nil), evs...)
		return true, nil
	}
	r := mustOpen(t, testConfig(t, t.TempDir(), s))
	for i := range 3 {
		if err := r.Record(t.Context(), testUse(i)); err != nil {
			t.Fatal(err)
		}
		evs := <-arrived
		if len(evs) != 1 || useOf(evs[0]).Count != 1 || useOf(evs[0]).IP != testUse(i).IP {
			t.Errorf("a single use was published as %+v", evs)
		}
	}
}

func TestCloseLeavesInTheJournalWhatTheStreamDoesNotTake(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := newStream()
		tried := make(chan struct{}, 100)
		s.before = func([]events.Event) (bool, error) {
			tried <- struct{}{}
			return false, errors.New("no stream")
		}
		cfg := testConfig(t, t.TempDir(), s)
		cfg.Strict = strict
		r := mustOpen(t, cfg)
		recorded := make(chan error, 1)
		go func() { recorded <- r.Record(t.Context(), testUse(1)) }()
		<-tried
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Close(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Close gave %v", err)
		}
		want := map[bool]error{false: nil, true: ErrNotPublished}[strict]
		if err := <-recorded; !errors.Is(err, want) {
			t.Errorf("strict %v: Record gave %v, not %v", strict, err, want)
		}
		if err := r.Record(t.Context(), testUse(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close, Record gave %v", err)
		}
		s.before = nil
		drain(t, cfg, s)
		if diff := cmp.Diff(map[string]int{keyOfUse(testUse(1)): 1}, s.counted()); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
	}
}

func TestAFullDiskRefusesUsesUntilThereIsSpace(t *testing.T) {
	s, d := newStream(), newDisk()
	cfg := testConfig(t, t.TempDir(), s)
	var log strings.Builder
	cfg.create, cfg.Logger = d.create, textLogger(&log)
	r := openStill(t, cfg)
	u := testUse(1)
	if err := r.Record(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	d.set(func(d *disk) { d.fail, d.short = errFull, 20 })
	for range 3 {
		if err := r.Record(t.Context(), u); !errors.Is(err, errFull) {
			t.Errorf("on a full disk Record gave %v", err)
		}
	}
	d.set(func(d *disk) { d.fail = nil })
	if err := r.Record(t.Context(), u); err != nil {
		t.Errorf("once there was space, Record gave %v", err)
	}
	if got := strings.Count(log.String(), "cannot be written"); got != 1 {
		t.Errorf("the full disk was logged %d times", got)
	}
	if err := r.journal.close(); err != nil {
		t.Fatal(err)
	}
	drain(t, cfg, s)
	if diff := cmp.Diff(map[string]int{keyOfUse(u): 2}, s.counted()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestAFailedSyncStopsTheRecorderAndNothingOfTheWindowIsPublished(t *testing.T) {
	s, d := newStream(), newDisk()
	d.syncFails = errors.New("input/output error")
	cfg := testConfig(t, t.TempDir(), s)
	fatal := make(chan error, 2)
	cfg.create, cfg.OnFatal = d.create, func(err error) { fatal <- err }
	r := mustOpen(t, cfg)
	if err := r.Record(t.Context(), testUse(1)); err != nil {
		t.Fatal(err)
	}
	if err := <-fatal; !errors.Is(err, d.syncFails) {
		t.Errorf("OnFatal got %v", err)
	}
	if err := r.Record(t.Context(), testUse(1)); !errors.Is(err, d.syncFails) {
		t.Errorf("after that, Record gave %v", err)
	}
	if err := r.Close(t.Context()); !errors.Is(err, d.syncFails) {
		t.Errorf("Close gave %v", err)
	}
	if len(s.counted()) != 0 {
		t.Error("a window that is not on the disk was published")
	}
}

func TestRecordWaitsForRoomOnceTheJournalHoldsAllThatItMay(t *testing.T) {
	s := newStream()
	taken, release := make(chan struct{}), make(chan struct{})
	s.before = func([]events.Event) (bool, error) {
		taken <- struct{}{}
		<-release
		return true, nil
	}
	cfg := testConfig(t, t.TempDir(), s)
	cfg.SoftKeys, cfg.HardKeys = 2, 4
	r := mustOpen(t, cfg)
	if err := r.Record(t.Context(), testUse(0)); err != nil {
		t.Fatal(err)
	}
	<-taken // the first window is on its way, and stays there
	for i := range 4 {
		if err := r.Record(t.Context(), testUse(i)); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Record(ended, testUse(5)); !errors.Is(err, context.Canceled) {
		t.Errorf("with no room, Record gave %v", err)
	}
	if uses, keys := r.Pending(); uses != 5 || keys != 5 {
		t.Errorf("%d uses and %d keys are pending, not 5 and 5", uses, keys)
	}
	if r.Lag() <= 0 {
		t.Error("there is no lag although a window is on its way")
	}
	waited := make(chan error, 1)
	go func() { waited <- r.Record(t.Context(), testUse(6)) }()
	close(release)
	go func() {
		for range taken {
		}
	}()
	if err := <-waited; err != nil {
		t.Errorf("with room again, Record gave %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	close(taken)
	if uses, keys := r.Pending(); uses != 0 || keys != 0 || r.Lag() != 0 {
		t.Errorf("after Close, %d uses and %d keys are pending, lag %v", uses, keys, r.Lag())
	}
}

func TestAppendFailuresAreRetriedInOrderAndLoggedOnce(t *testing.T) {
	s := newStream()
	var tries [][]events.Event
	s.before = func(evs []events.Event) (bool, error) {
		tries = append(tries, append([]events.Event(nil), evs...))
		if len(tries) <= 3 {
			return len(tries) == 2, errors.New("no reply")
		}
		return true, nil
	}
	cfg := testConfig(t, t.TempDir(), s)
	var log strings.Builder
	cfg.Logger, cfg.batch = textLogger(&log), 2
	r := openStill(t, cfg)
	for i := range 3 {
		if err := r.Record(t.Context(), testUse(i)); err != nil {
			t.Fatal(err)
		}
	}
	publishOne(t.Context(), r)
	_ = r.journal.close()
	if len(tries) != 5 {
		t.Fatalf("%d appends, not 5", len(tries))
	}
	for i := range 3 {
		if tries[i][0].ID != tries[3][0].ID || tries[i][1].ID != tries[3][1].ID {
			t.Error("a batch was tried again with other ids")
		}
	}
	want := map[string]int{keyOfUse(testUse(0)): 1, keyOfUse(testUse(1)): 1, keyOfUse(testUse(2)): 1}
	if diff := cmp.Diff(want, s.counted()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if got := strings.Count(log.String(), "cannot be published"); got != 1 {
		t.Errorf("the failure was logged %d times", got)
	}
}

func TestPublishedSegmentsAreDeletedAndAllFilesArePrivate(t *testing.T) {
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	cfg.SegmentSize = 300
	r := openStill(t, cfg)
	for i := range 40 {
		if err := r.Record(t.Context(), testUse(i%8)); err != nil {
			t.Fatal(err)
		}
	}
	paths := mustPaths(t, cfg.Dir)
	if len(paths) < 3 {
		t.Fatalf("the journal has %d segments; the test wants more", len(paths))
	}
	info, err := os.Stat(cfg.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v (%v)", info.Mode(), err)
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", p, info.Mode(), err)
		}
	}
	publishOne(t.Context(), r)
	if got := mustPaths(t, cfg.Dir); len(got) != 1 {
		t.Errorf("after all was published, %d segments are left", len(got))
	}
	_ = r.journal.close()

	// The one that is left begins in the middle of a published window.
	cfg.HighWater = s.highWater()
	r = openStill(t, cfg)
	if err := r.Record(t.Context(), testUse(1)); err != nil {
		t.Fatal(err)
	}
	publishOne(t.Context(), r)
	_ = r.journal.close()
	total := 0
	for _, n := range s.counted() {
		total += n
	}
	if total != 41 {
		t.Errorf("%d uses are counted, not 41", total)
	}
}

func TestAUseThatIsNoFactIsRefusedAlone(t *testing.T) {
	r := mustOpen(t, testConfig(t, t.TempDir(), newStream()))
	bad := testUse(1)
	bad.Tenant = ""
	err := r.Record(t.Context(), testUse(1), bad)
	if _, ok := errors.AsType[*commands.UseError](err); !ok {
		t.Errorf("Record gave %v", err)
	}
	if err := r.Record(t.Context(), testUse(1)); err != nil {
		t.Errorf("after that, Record gave %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClosingTwiceAndAtOnceWithRecordingIsSafe(t *testing.T) {
	s := newStream()
	cfg := testConfig(t, t.TempDir(), s)
	cfg.Window = time.Hour
	r := mustOpen(t, cfg)
	var (
		callers sync.WaitGroup
		mu      sync.Mutex
		want    int
	)
	started := make(chan struct{}, 400)
	for range 4 {
		callers.Go(func() {
			for range 100 {
				err := r.Record(context.Background(), testUse(1))
				started <- struct{}{}
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want++
				mu.Unlock()
			}
		})
	}
	<-started
	for range 2 {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	callers.Wait()
	if got := s.counted()[keyOfUse(testUse(1))]; got != want {
		t.Errorf("%d uses were answered and %d are counted", want, got)
	}
}
