// Package server is the composition root: it makes a node out of its parts, in
// order, and takes it apart in the reverse order. It is the only package that
// knows all of them.
//
// A node starts like this, and each step's failure undoes those before it:
//
//  1. the listener's address is taken, then the lock of the data directory;
//  2. the read model is opened, and the stream (embedded or not) connected;
//  3. an empty stream gets its beginning, if no ledger was ever served from this
//     data directory; any other stream is held against the evidence of what was
//     applied here, and refused if it cannot have followed from that;
//  4. the read model catches up with the stream;
//  5. the usage journal is recovered;
//  6. the index over the audit log begins to follow it, in the background;
//  7. requests are answered.
//
// It stops like this: no new requests; those that run are finished; the usage
// journal is drained; the follower, the read model and the stream are closed.
// kill -9 at any moment loses nothing that was acknowledged.
package server
