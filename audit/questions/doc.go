// Package questions answers what a security review asks of the ledger: which events
// there were ([Asker.Events]), the whole story of one token ([Asker.Story]), which
// tokens were good at some time ([Asker.AsOf]), and what changed between two times
// ([Asker.Diff]).
//
// What is guaranteed:
//
//   - Answers are put together from the audit log's leaves. The index and the read
//     model only say where to look: every row that is returned was read from the log
//     again, looked at again, and names the sequences that it rests on. So a damaged
//     index can hide a row, and never invent one.
//   - A question takes in everything that was appended to the log when it was asked.
//     It waits for that as long as its context lets it.
//   - Who asks within a tenant is told of events and tokens of that tenant, and not
//     whether others have what they ask for.
//   - Work and memory of one call are bounded, with two exceptions. A count takes as long
//     as there are tokens. A token's record is made from all of its changes. (Its uses are
//     bounded: of millions, some are read, and the answer says which were not.)
//
// Errors are a [*QueryError], a [*CursorError], [ErrNotFound], a [*BehindError], the
// *index.UnavailableError, and those of the log (an *audit.CorruptError says that the
// log was altered, and where), of the read model, and of the context.
package questions
