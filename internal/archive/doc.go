// Package archive uses the audit log as what it also is: the archive of the stream.
// It holds a stream against the log, says which sequences differ and in what, and
// makes a stream anew from the log.
//
// What is guaranteed:
//
//   - [Check] reads every entry and every hash of the log. What it has found whole
//     makes the root that the log's state records and its checkpoint is signed over.
//   - [Compare] reads the whole stream, whatever is missing in it, and compares every
//     event that is in the log: its bytes, its subject, its time of arrival.
//   - [Restore] publishes nothing before the log was found whole, and ends without an
//     error only when the new stream has, sequence for sequence, what the log has. The
//     restored events keep their times of arrival, so the log goes on over the new
//     stream as if nothing had been.
//
// All work in constant memory. An altered log whose hashes, state and checkpoint were
// all made anew, with the signing key, is a whole log to this package: that shows
// against a remembered checkpoint only.
package archive

// Progress is told how far a piece of work is, from time to time and at its end: what
// is being done, and how many entries or events of how many.
type Progress func(what string, done, total uint64)

// tell makes a nil Progress callable.
func (p Progress) tell(what string, done, total uint64) {
	if p != nil {
		p(what, done, total)
	}
}

// often is after how many entries the progress is told.
const often = 1 << 14
