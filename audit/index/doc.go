// Package index finds events in the audit log by actor, token, site, address, kind and
// time. It lies in a Pebble store of its own, follows the log, is disposable, and is
// not believed: it gives sequences, and whoever asks reads the events from the log.
package index
