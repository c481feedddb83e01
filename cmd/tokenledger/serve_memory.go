package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryLimit bounds what the Go runtime holds, in bytes, while what is alive
	// leaves it room. Left to itself the runtime lets the heap grow to twice what is
	// alive before it collects, and here that is mostly buffers without pointers
	// (blocks of the stream, the store's cache), which cost a collection nothing.
	// With a million tokens validated once each the node held 800 MB of heap without
	// the limit; with it collecting takes 3 % of the processor time.
	memoryLimit = 280 << 20
	// memoryCheck is how often the limit is held against what is alive.
	memoryCheck = time.Second
)

// boundMemory keeps the process small until ctx ends. A GOMEMLIMIT in the
// environment is the operator's word, and nothing is done then.
func boundMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(memoryLimit)
	tick := time.NewTicker(memoryCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			debug.SetMemoryLimit(memoryLimitFor(liveMemory()))
		}
	}
}

// memoryLimitFor gives the limit for so many live bytes. A limit that they fill
// would have the runtime collect all the time, and free nothing.
func memoryLimitFor(live uint64) int64 {
	return max(memoryLimit, int64(live+live/8))
}

// liveMemory is what the last collection left of the heap, and what the runtime
// needs beside it, in bytes.
func liveMemory() uint64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	beside := samples[1].Value.Uint64()
	for _, heap := range samples[2:] {
		beside -= heap.Value.Uint64()
	}
	return samples[0].Value.Uint64() + beside
}
