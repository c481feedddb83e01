package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheMemoryLimitLeavesRoomAboveWhatIsAlive(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int64
	}{
		{0, memoryLimit},
		{memoryLimit / 2, memoryLimit},
		{8 * memoryLimit / 9, memoryLimit},
		{memoryLimit, memoryLimit + memoryLimit/8},
		{1 << 33, 9 << 30},
	} {
		if got := memoryLimitFor(c.live); got != c.want {
			t.Errorf("with %d bytes alive: %d, want %d", c.live, got, c.want)
		}
	}
}

func TestLiveMemoryIsWhatACollectionLeaves(t *testing.T) {
	const size = 64 << 20
	with := func() uint64 {
		held := make([]byte, size)
		defer runtime.KeepAlive(held)
		runtime.GC()
		return liveMemory()
	}()
	runtime.GC()
	if without := liveMemory(); with < size || with-without < size*9/10 {
		t.Errorf("%d bytes with %d held, %d without", with, size, without)
	}
}

func TestTheOperatorsMemoryLimitStands(t *testing.T) {
	const theirs = 1 << 40
	before := debug.SetMemoryLimit(theirs)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "1TiB")
	boundMemory(t.Context()) // returns at once
	if got := debug.SetMemoryLimit(-1); got != theirs {
		t.Errorf("the limit is %d", got)
	}
}
