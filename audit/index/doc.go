// Package index finds events in the audit log by actor, token, site, address, kind and
// time. It lies in a Pebble store of its own, follows the log, is disposable, and is
// not believed: it gives sequences, and whoever asks reads the events from the log.
//
// The log is taken in blocks of 4,096 leaves. A block has one row for each value that
// occurs in it and tenant, with the sequences; what lies behind the last whole block
// is kept in memory and read again after a start. So the number of rows does not
// depend on how slowly the events came.
//
// What is guaranteed: once [Index.WaitFor] has returned for a sequence, [Index.Find]
// gives every event up to it that matches. What is not: that what it gives matches.
//
// Nothing waits for the index but who asks it. When its store fails, or was found
// damaged, it answers a [*UnavailableError] from then on, and everything else goes on.
// A store of another version, one that cannot be read, and one that is not of this
// log, is deleted when it is opened, and built anew.
package index
