// Package audit keeps the audit log: an append-only Merkle tree over every event of
// the stream, with signed checkpoints. DESIGN.md beside this file says what is
// guaranteed, what a crash means at each step, and what stays undetectable; package
// layout says what lies where on the disk.
//
// [Log] is the writer, of which a data directory has one, in the node that runs on it.
// [Reader] reads what is durable, also while a writer goes on. Neither looks whether
// what it reads is true to the signed root: that is what package verify is for.
package audit
