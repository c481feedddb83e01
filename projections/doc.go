// Package projections is the read side of the ledger: it applies the events of
// the stream, in order, to a set of projections and keeps their rows in one Pebble
// database.
//
// What is guaranteed:
//
//   - Rows and position move together. All that a batch of events changes, in every
//     projection, is committed in one Pebble batch, or with one table, with the
//     positions it leads to and the evidence of the last event. A crash rewinds all of
//     it to the end of some earlier batch; the follower continues from [Runner.From].
//   - [Runner.Applied] moves, and [Runner.WaitFor] returns, only after the batch is
//     committed, readable, and known to every projection's [Stateful.Committed].
//   - An event is applied to a projection once: what is at or below the
//     projection's position is passed over. An event that does not follow on is a
//     [*GapError], and nothing of its batch is kept.
//   - A projection whose code has a new version is rebuilt from the first event. One
//     whose stored rows are newer than the code is refused, with nothing written.
//   - The store never ends the process. When the disk fails or is full, or a file is
//     found corrupt, the disk is left as a power cut at that moment would have left
//     it, the onFatal function is called once, and everything afterwards answers a
//     [*FatalError].
//
// What is not: the commit of [Runner.Apply] is not synced. The store syncs about once a
// second and on Close; a power cut loses what came after the last sync, and the stream
// still has it. The store is disposable: with its folder deleted it is built anew. What is
// lost with it is the evidence that [Runner.Position] gives.
//
// To add a projection: one package with a type that implements [Projection], and
// one argument more to [Open].
package projections
