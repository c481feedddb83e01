// Package natsserver runs the NATS server that lives inside a node.
//
// What is guaranteed:
//
//   - The stream's writes are synced to disk before they are acknowledged
//     (SyncAlways). No option turns that off.
//   - [Start] returns when JetStream has recovered its streams and answers, or
//     with an error that names the cause.
//   - The node itself connects in process, by a random secret that exists in
//     memory only, and may do everything.
//   - Whoever comes over TCP must sign in with a token, and may subscribe and publish
//     to what [Config.Authenticate] grants and to nothing else. The JetStream API is out
//     of reach of those who are not granted its subjects.
//   - A client in an [Account] of its own hears what is published there, and of the
//     node's account what the account names. Its requests to the node's account say
//     who asks, and [Server.Requester] believes no header that a client wrote.
//   - No secret that a client presents reaches the log.
//
// What is not: accounts are never taken away, so who admits clients bounds their number.
// The server puts no lock on its directory. Two servers on one
// directory destroy it; the caller holds the lock. A client's rights are
// fixed when it signs in: whoever takes a token's rights away must also call
// [Server.Disconnect].
//
// JetStream's size is not limited here; the disk is the limit. When the disk is
// full or fails, JetStream stops and [Server.Healthy] says so: the server does
// not recover from it by itself, the process has to be started anew.
package natsserver
