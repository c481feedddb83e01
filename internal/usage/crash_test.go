package usage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tokenledger/tokenledger/events"
)

// crashRun is a node under a property test. It has recorded what stands in
// answered; what stands in unknown was refused although its bytes may be in the
// journal.
type crashRun struct {
	t      *rapid.T
	cfg    Config
	stream *stream
	disk   *disk
	rec    *Recorder
	ctx    context.Context
	cancel context.CancelFunc

	answered, unknown map[string]int
}

func newCrashRun(t *rapid.T, dir string) *crashRun {
	c := &crashRun{t: t, stream: newStream(), answered: map[string]int{}, unknown: map[string]int{}}
	c.cfg = testConfig(t, dir, c.stream)
	c.cfg.SegmentSize = rapid.SampledFrom([]int64{1, 200, 1 << 20}).Draw(t, "segment size")
	c.cfg.batch = rapid.SampledFrom([]int{1, 2, 5, maxBatch}).Draw(t, "batch")
	c.start()
	return c
}

func (c *crashRun) start() {
	c.disk = newDisk()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.stream.before = nil
	c.cfg.create, c.cfg.HighWater = c.disk.create, c.stream.highWater()
	c.rec = openStill(c.t, c.cfg)
}

// kill ends the process: nothing of what it does afterwards has an effect.
func (c *crashRun) kill() {
	c.disk.set(func(d *disk) { d.dead = true })
	c.stream.before = func([]events.Event) (bool, error) { return false, errDead }
	c.cancel()
}

func (c *crashRun) restart() {
	c.kill()
	_ = c.rec.journal.close()
	c.start()
}

func (c *crashRun) record() {
	uses := rapid.SliceOfN(rapid.IntRange(0, 7), 1, 6).Draw(c.t, "uses")
	for _, n := range uses {
		u := testUse(n)
		err := c.rec.Record(c.ctx, u)
		switch {
		case err == nil:
			c.answered[keyOfUse(u)]++
		case c.disk.writtenFull:
			c.unknown[keyOfUse(u)]++
		}
	}
}

// failWrites lets the next writes fail after some of their bytes.
func (c *crashRun) failWrites() {
	c.disk.set(func(d *disk) {
		d.fail, d.writtenFull = errFull, false
		d.short = rapid.IntRange(0, 120).Draw(c.t, "bytes written")
		d.keepTail = rapid.Bool().Draw(c.t, "keep the tail")
	})
	c.record()
	c.disk.set(func(d *disk) { d.fail, d.keepTail, d.writtenFull = nil, false, false })
}

// crashInWrite is a kill while a write is under way.
func (c *crashRun) crashInWrite() {
	c.disk.set(func(d *disk) {
		d.fail, d.keepTail, d.writtenFull = errDead, true, false
		d.short = rapid.IntRange(0, 120).Draw(c.t, "bytes written")
	})
	if rapid.Bool().Draw(c.t, "of a marker") {
		_, _ = c.rec.closeWindow()
	} else {
		u := testUse(rapid.IntRange(0, 7).Draw(c.t, "use"))
		if err := c.rec.Record(c.ctx, u); err == nil {
			c.t.Fatal("a use was recorded on a disk that failed")
		}
		if c.disk.writtenFull {
			c.unknown[keyOfUse(u)]++
		}
	}
	c.restart()
}

func (c *crashRun) publish() { publishOne(c.ctx, c.rec) }

// crashAfterMarker is a kill between the marker and the first event.
func (c *crashRun) crashAfterMarker() {
	if c.rec.open.uses.Len() > 0 {
		if _, err := c.rec.closeWindow(); err != nil {
			c.t.Fatal(err)
		}
	}
	c.restart()
}

// crashInPublish is a kill after some batches: before one is stored, or after it
// is stored and before that is known.
func (c *crashRun) crashInPublish() {
	left := rapid.IntRange(0, 4).Draw(c.t, "batches")
	stored := rapid.Bool().Draw(c.t, "acknowledgement lost")
	c.stream.before = func([]events.Event) (bool, error) {
		if left--; left >= 0 {
			return true, nil
		}
		c.kill()
		return stored, errDead
	}
	c.publish()
	c.restart()
}

// loseAck lets the acknowledgement of one batch be lost while the node lives on.
func (c *crashRun) loseAck() {
	lost := false
	c.stream.before = func([]events.Event) (bool, error) {
		if lost {
			return true, nil
		}
		lost = true
		return rapid.Bool().Draw(c.t, "stored"), errors.New("no reply")
	}
	c.publish()
	c.stream.before = nil
}

func (c *crashRun) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"record":             func(*rapid.T) { c.record() },
		"record more":        func(*rapid.T) { c.record() },
		"publish":            func(*rapid.T) { c.publish() },
		"restart":            func(*rapid.T) { c.restart() },
		"writes fail":        func(*rapid.T) { c.failWrites() },
		"crash in write":     func(*rapid.T) { c.crashInWrite() },
		"crash after marker": func(*rapid.T) { c.crashAfterMarker() },
		"crash in publish":   func(*rapid.T) { c.crashInPublish() },
		"lost answer":        func(*rapid.T) { c.loseAck() },
	}
}

func TestEachAnsweredUseIsCountedOnceWhereverTheNodeIsKilled(t *testing.T) {
	next := scratch(t)
	rapid.Check(t, func(t *rapid.T) {
		c := newCrashRun(t, next())
		t.Repeat(c.actions())
		c.kill()
		_ = c.rec.journal.close()
		c.stream.before = nil
		drain(t, c.cfg, c.stream)

		got := c.stream.counted()
		for key, n := range c.answered {
			if got[key] < n || got[key] > n+c.unknown[key] {
				t.Errorf("key %s is counted %d times; %d uses were answered and the fate of %d is unknown", key, got[key], n, c.unknown[key])
			}
			delete(got, key)
		}
		for key, n := range got {
			if n > c.unknown[key] {
				t.Errorf("key %s is counted %d times and was never answered", key, n)
			}
		}
	})
}

func TestAPowerCutLosesNothingThatWasSyncedAndCountsNothingTwice(t *testing.T) {
	next := scratch(t)
	rapid.Check(t, func(t *rapid.T) {
		c := newCrashRun(t, next())
		synced := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"record":      func(*rapid.T) { c.record() },
			"record more": func(*rapid.T) { c.record() },
			"sync": func(*rapid.T) {
				if err := c.rec.sync(); err != nil {
					t.Fatal(err)
				}
				for k, n := range c.answered {
					synced[k] = n
				}
			},
			"marker": func(*rapid.T) {
				if c.rec.open.uses.Len() > 0 {
					w, err := c.rec.closeWindow()
					if err != nil {
						t.Fatal(err)
					}
					c.rec.backlog = append(c.rec.backlog, w)
				}
			},
			"publish": func(*rapid.T) {
				if len(c.rec.backlog) > 0 || c.rec.open.uses.Len() > 0 {
					c.publish()
					// It has synced all that there was.
					for k, n := range c.answered {
						synced[k] = n
					}
				}
			},
		})
		c.kill()
		_ = c.rec.journal.close()
		c.stream.before = nil

		paths, err := segmentPaths(c.cfg.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			cutPower(t, path, c.disk.synced[path])
		}
		c.cfg.boot = "the next boot"
		drain(t, c.cfg, c.stream)

		got := c.stream.counted()
		for key, n := range c.answered {
			if got[key] > n || got[key] < synced[key] {
				t.Errorf("key %s is counted %d times; %d uses were answered, of which %d were synced", key, got[key], n, synced[key])
			}
		}
	})
}

// cutPower leaves of a file what a power cut may: it is shorter, or pages of it
// are zeros, behind what was synced.
func cutPower(t *rapid.T, path string, synced int64) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if synced == 0 {
		// The header of a new file is taken to be there in whole or not at all.
		_, size, _, _ := parseHeader(b)
		synced = int64(size)
	}
	end := rapid.Int64Range(synced, int64(len(b))).Draw(t, "cut "+filepath.Base(path))
	b = b[:end]
	from := rapid.Int64Range(synced, end).Draw(t, "zeros from")
	to := rapid.Int64Range(from, end).Draw(t, "zeros to")
	clear(b[from:to])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const childDir = "USAGE_TEST_RECORD_IN"

// recordUntilKilled is the process that the next test kills. It writes a line for
// each use that was answered.
func recordUntilKilled(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := newStream()
	s.before = func([]events.Event) (bool, error) { return false, errors.New("there is no stream") }
	cfg := testConfig(&testing.T{}, dir, s)
	r, err := Open(cfg)
	if err != nil {
		fail(err)
	}
	done := make(chan error)
	out := make(chan string, 64)
	for range 4 {
		go func() {
			for i := 0; ; i = (i + 1) % 8 {
				if err := r.Record(context.Background(), testUse(i)); err != nil {
					done <- err
					return
				}
				out <- keyOfUse(testUse(i))
			}
		}()
	}
	for {
		select {
		case err := <-done:
			fail(err)
		case key := <-out:
			if _, err := fmt.Println(key); err != nil {
				fail(err)
			}
		}
	}
}

func TestEachAnsweredUseSurvivesKillDashNine(t *testing.T) {
	dir := t.TempDir()
	s := newStream()
	answered := map[string]int{}
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		seen := 0
		for lines.Scan() {
			answered[lines.Text()]++
			if seen++; seen == 2000 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if seen < 2000 {
			t.Fatalf("the process ended by itself: %s", stderr.String())
		}
	}
	drain(t, testConfig(t, dir, s), s)
	got := s.counted()
	for key, n := range answered {
		if got[key] < n {
			t.Errorf("key %s was answered %d times and is counted %d times", key, n, got[key])
		}
	}
	if diff := cmp.Diff(len(answered), len(got)); diff != "" {
		t.Errorf("keys (-answered +counted): %s", diff)
	}
}
