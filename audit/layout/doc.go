// Package layout says what lies where in an audit log, and in which form. Writer,
// reader and verifier share this and nothing else.
//
// The log is an RFC 6962 Merkle tree over the stream: leaf i is the event at
// sequence i+1. Its directory, audit/ of a data directory, holds
//
//	entries/000000000.jsonl  leaves 0 to 65,535, each followed by a line feed
//	entries/000000001.jsonl  leaves 65,536 to 131,071, and so on
//	offsets                  for leaf i, at 8*i, where its line ends in its segment
//	tiles/0                  for leaf i, at 32*i, its hash
//	tiles/1                  for leaves 256*i to 256*i+255, at 32*i, their subtree's hash
//	tiles/L                  the same for each 256^L leaves; level L of the tiles
//	state                    the size and root that are durable: two slots in turn
//	checkpoint               the newest signed checkpoint, a C2SP signed note
//
// Numbers are big-endian. Everything but state and checkpoint follows from the
// leaves alone: whatever the batches and restarts, the bytes are the same.
//
// The tiles of https://c2sp.org/tlog-tiles are pieces of these files: tile/<L>/<N>
// is the 8,192 bytes at 8192*N of tiles/<L>, and tile/entries/<N> the leaves from
// 256*N on, each with its length before it.
package layout
