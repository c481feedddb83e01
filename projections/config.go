package projections

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Config of a store.
type Config struct {
	// Dir is the store's folder. It must be used by one process at a time; Pebble
	// locks it.
	Dir string
	// FS is the file system that Dir lies on; nil is the operating system's.
	FS vfs.FS
	// Logger is required.
	Logger *slog.Logger
	// OnFatal is called at most once, from a goroutine of the runner, when the store
	// fails (see [FatalError]). It must not call [Runner.Close]. It may be nil.
	OnFatal func(error)
	// CacheBytes bounds the blocks and memtables in memory, MemTableBytes is the size
	// of one memtable, of which there are up to three. Zero is what the node's read
	// model has.
	CacheBytes, MemTableBytes int64
	// Background is for a store that nothing waits for and whose rows are walked
	// over, not looked up singly: it compacts on one core only, and keeps no filters.
	Background bool
}

func (c *Config) sizes() (cache, memTable int64) {
	cache, memTable = c.CacheBytes, c.MemTableBytes
	if cache == 0 {
		cache = cacheSize
	}
	if memTable == 0 {
		memTable = memTableSize
	}
	return cache, memTable
}
