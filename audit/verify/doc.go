// Package verify tells whether an audit log is what its key has signed. It reads the
// log in each of its forms: the audit/ directory of a data directory, also while a
// node writes to it ([Dir]); a directory of https://c2sp.org/tlog-tiles ([Export]);
// the same behind a URL ([HTTP]).
//
// It shares the layout of the files with the writer and no code, so that a mistake in
// the one is not repeated by the other. It takes no lock and writes nothing but the
// evidence of a fork.
//
// What it cannot see: a log that was taken back to an earlier state as a whole, with
// the checkpoint of that time, is a log that was true once. Only who remembers a later
// checkpoint knows better; that is what [Options.Since] is for. And whoever holds the
// signing key can write another log: it differs from what was remembered, too.
package verify
