// Package usage keeps the uses of tokens on their way to the stream: it writes
// each to a local journal before the validation is answered, coalesces them, and
// publishes the events.
//
// # What is guaranteed
//
// Once [Recorder.Record] has returned nil, each of its uses is counted in the
// stream exactly once:
//
//   - after kill -9 at any moment, always: the entries were handed to the kernel
//     with write(2);
//   - after a power cut, in strict durability, always: the events were
//     acknowledged by the stream. In journal durability all but about the last
//     window: the journal is synced when a window is closed, not at each write,
//     and the next window is closed once the one before it is published.
//
// An error from Record means "unknown": the use may be counted or not, and the
// validation must not be answered as if it had been recorded. A failed write
// (disk full) is cut off again; later calls succeed once there is space.
//
// # Positions
//
// Each entry of a node's journal has a position; positions rise by one from 1 and
// are never used twice for what could be published. An event bears the position
// of the last entry that it counts, and a node's events are published strictly in
// the order of their positions, in atomic batches. So whoever counts them ignores
// an event at or below the highest position that it has applied of that node:
// a batch sent twice counts once, and nothing between is missed.
//
// This holds only if uses are grouped into events the same way each time. So a
// window ends with a marker in the journal, which is on the disk before the first
// event of the window is published. Recovery groups by the markers, leaves out the
// events at or below the stream's mark ([Config.HighWater]) and publishes the
// rest. Entries behind the last marker were not published in any form, and go on
// as the open window.
//
// A journal that was deleted begins again above HighWater. What it held and was
// not yet published is then lost, and nothing else.
//
// # Damage
//
// Frames have a CRC-32C that begins with a random number of their segment, so
// that neither a stale disk block nor a client's text passes for one.
//
//   - A torn tail (nothing readable follows) is what a crash during a write
//     leaves. It is cut off with a log line; no such write was answered.
//   - Damage with readable frames behind it, in a journal that the machine wrote
//     since it booted, or in a part known to have been synced, cannot come of a
//     crash: the disk is failing or somebody wrote to the file. [Open] refuses
//     with a [*CorruptError]. The uses are evidence (a revoked token's above all),
//     and whether to go on without them is for a person to decide. All is left as
//     it was; moving the directory aside lets the node start.
//   - The same damage in a part not known to have been synced, after a reboot, is
//     what a power cut can leave, as the kernel writes back pages in any order.
//     The node goes on, as after any power cut: what follows the damage is put
//     aside in files that end in ".lost", and an error is logged that says how
//     many entries that concerns.
//   - A stream that lacks what it acknowledged is refused with a [*BehindError]:
//     the journal no longer has those uses, and their positions are taken.
//
// # Not guaranteed
//
// The journal does not defend against someone who can write to its directory and
// forges frames with a right checksum. It holds no secret: the string that was
// presented never comes here.
package usage
