// Package backup copies the audit log of a node, which may run, with its keys, and makes
// a data directory from such a copy. The log is the archive of every event: the stream
// and the read model follow from it.
//
// A backup is a directory:
//
//	backup.json        the manifest; what it does not name is no part of the backup
//	keys/              the node's identity, and the log's signing key
//	audit/entries/…    as in a data directory, up to the manifest's size
//	audit/offsets, audit/tiles/…
//	audit/state        for whoever reads audit/ as a log (tokenledger audit verify);
//	audit/checkpoint   the manifest has both
//
// What is guaranteed:
//
//   - [Make] has read every entry that it copied, held it against its hash, and
//     recomputed the root from all of them; a damaged log ends it.
//   - The manifest is written last, when everything that it names is synced, and takes
//     the earlier one's place in one step. Entries, offsets and tiles only grow, and the
//     manifest says how long they are: a crash leaves the earlier backup as it was, with
//     something behind its end that counts for nothing.
//   - [Restore] reads the whole backup before it makes anything, and the directory that
//     it makes is no data directory before it is complete.
package backup
