// Package eventstore keeps the events of the ledger on one JetStream stream, over
// a NATS connection. It does not know whether the server is embedded or a cluster.
//
// What is guaranteed, on a stream that [Store.Ensure] made or accepted:
//
//   - [Store.Append] returns without an error only when all of its events are
//     stored, one after another without another caller's between them. On one
//     server that runs with SyncAlways they are synced to its disk; on a stream
//     with replicas a majority of servers has them.
//   - An event is stored once, although its publication may have to be
//     repeated: what was appended together is known by the id of its first event.
//     Append answers with [ErrUnknownOutcome] only after it looked for the events
//     on the stream until its time ran out.
//   - [Store.Follow] gives every event, in the order of the stream, each once.
//     A sequence that is missing ends it with a [GapError]; it skips nothing.
//   - An event's time of arrival is the broker's. On a stream that was made anew from
//     an archive, it is the one that the archive has, for what was restored and for
//     nothing else; restored.go tells how. [Store.Follow] and [Store.Get] agree.
//
// What is not:
//
//   - Events of different callers have no order but the stream's.
//   - After ErrUnknownOutcome the event may or may not be there, or appear
//     shortly. Appending the same events again (the same ids, all of them) within
//     the stream's duplicates window is safe.
//   - A server that was killed can lose the end of a stream to damage on disk and
//     say nothing. Whoever depends on the stream keeps evidence of what it
//     has seen, and compares.
//   - Who may delete the stream or change it is a matter of the server's
//     permissions. Whoever may change its configuration can also say that it was
//     restored, and so choose times of arrival.
//
// [Store.Examine] reads what can be read of a stream that is damaged.
//
// How callers share the cost of syncing is told in committer.go.
package eventstore
