// Package questions answers what a security review asks of the ledger: which events
// there were (Events), the whole story of one token (Trace), which tokens were good at
// some time (AsOf), and what changed between two times (Diff).
//
// Answers are put together from the audit log's leaves. The index and the read model
// only say where to look: every row that is returned was read from the log again, and
// names the sequences that it rests on. A question sees the log up to a sequence that
// the answer names.
package questions
