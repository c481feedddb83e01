// Package natscallout decides who may connect to a NATS server that is not the node's
// own: the server asks, by its auth callout (NATS ADR-26), and is answered from the
// ledger. What the embedded server's listener does in process is done here by messages.
//
// What is guaranteed:
//
//   - A client is let in with a ledger token that was found good, and recorded as used,
//     before the server was answered. It gets into the account of the token's tenant
//     ([Accounts]), under the token's id as its name, with what it was granted and nothing
//     else. Whatever it was granted, it may publish no event and change no stream.
//   - It is put out by the server itself when its time in is over ([Config.TTL]) or at its
//     token's end as known then, whichever comes first, whatever becomes of this node.
//   - With a connection to the system account ([Config.System]) it is put out within
//     a second or so of its token's end: at once by the node that let it in, and by any
//     node within [roundEvery], because every node goes through the connections of all
//     servers and holds their names against its own ledger.
//   - While the ledger may not be relied on ([Config.Fresh]) the node takes no
//     requests: another node of the queue group answers, or nobody does, and the server
//     refuses the client.
//   - A refused client, and the server's log, learn no reason.
//   - Memory and goroutines are bounded; the connection's reader never waits.
//
// What is not: without a connection to the system account a revocation ends a connection
// only when its time in is over. The server's clock decides when that is. The key that
// signs the answers may place anybody in any account of the server: who has it has
// the server.
//
// Servers in operator mode are not served: there each account signs for itself.
package natscallout
