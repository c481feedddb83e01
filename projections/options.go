package projections

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Sizes of the database, in bytes, where [Config] does not choose others. Pebble
// counts its memtables into the cache, so cacheSize bounds both together. In a build
// with cgo they are malloc's, which adds up to as much again in fragments. Reads that
// must be fast are answered from the projections' own caches. With memtables of 24 MB a
// replay of the stream is a tenth faster, and a node 40 MB larger.
const (
	cacheSize    = 48 << 20
	memTableSize = 12 << 20
	blockSize    = 8 << 10
	// filterBits gives about 1 % of false positives.
	filterBits = 10
	// bytesPerSync is how much is written before the disk is set to work on it.
	bytesPerSync = 1 << 20
)

// formatMajorVersion is pinned: Pebble never goes back to an older one.
const formatMajorVersion = pebble.FormatTableFormatV6

func (s *store) options(fs vfs.FS, ps []Projection, readOnly bool) *pebble.Options {
	cacheSize, memTableSize := s.cfg.sizes()
	o := &pebble.Options{
		FS:                          fs,
		ReadOnly:                    readOnly,
		FormatMajorVersion:          formatMajorVersion,
		Merger:                      mergerOf(ps),
		Logger:                      pebbleLogger{s},
		CacheSize:                   cacheSize,
		MemTableSize:                uint64(memTableSize),
		MemTableStopWritesThreshold: 3,
		// A rebuild writes faster than one core compacts. Files in L0 cost reads
		// little with filters, a stalled rebuild costs time.
		L0CompactionThreshold: 12,
		L0StopWritesThreshold: 40,
		LBaseMaxBytes:         64 << 20,
		MaxOpenFiles:          512,
		BytesPerSync:          bytesPerSync,
		WALBytesPerSync:       bytesPerSync,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { s.fail(fmt.Errorf("write in the background: %w", err)) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				s.fail(fmt.Errorf("file %s is corrupt: %w", i.Path, i.Details))
			},
		},
	}
	compactors := 2
	if s.cfg.Background {
		compactors = 1
	}
	o.CompactionConcurrencyRange = func() (int, int) { return 1, compactors }
	o.TargetFileSizes[0] = 8 << 20
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
		// The store is disposable and small beside the stream: time is dearer than
		// space, for a rebuild as for a read that misses the cache.
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		if !s.cfg.Background {
			o.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
			o.Levels[i].FilterType = pebble.TableFilter
		}
	}
	o.EnsureDefaults()
	return o
}

// pebbleLogger passes on to the store's logger what Pebble says, and takes its last
// words as the end of the store instead of the process.
type pebbleLogger struct{ s *store }

func (l pebbleLogger) Infof(format string, args ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.logger.Error("projections store", "error", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			l.s.fail(err)
			return
		}
	}
	l.s.fail(fmt.Errorf(format, args...))
}
