package layout

import (
	"fmt"
	"path"
)

const (
	// SegmentLeaves is how many leaves a segment has.
	SegmentLeaves = 1 << 16
	// TileHeight and TileWidth are those of the tiles of https://c2sp.org/tlog-tiles.
	TileHeight = 8
	TileWidth  = 1 << TileHeight
	// MaxLevels bounds the levels of tiles: 256^8 is more leaves than there are
	// sequences.
	MaxLevels = 8
	// HashSize is that of SHA-256, in bytes.
	HashSize = 32
	// OffsetSize is that of an offset, in bytes.
	OffsetSize = 8
)

// The names in an audit log's directory.
const (
	EntriesDir     = "entries"
	TilesDir       = "tiles"
	OffsetsFile    = "offsets"
	StateFile      = "state"
	CheckpointFile = "checkpoint"
	// NewSuffix marks a file that is about to take another's place.
	NewSuffix = ".new"
)

// SegmentFile is the name of the segment with the number n.
func SegmentFile(n uint64) string { return path.Join(EntriesDir, fmt.Sprintf("%09d.jsonl", n)) }

// TileFile is the name of the hashes of a level of tiles.
func TileFile(level int) string { return path.Join(TilesDir, fmt.Sprint(level)) }

// LevelHashes is how many hashes a level of tiles has in a tree of size leaves.
func LevelHashes(level int, size uint64) uint64 { return size >> (TileHeight * level) }
