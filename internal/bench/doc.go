// Package bench measures the product on the machine that it runs on, and beside
// each figure a floor: the least that the job costs with the same parts and
// without the product. On a machine that is busy, shared or unknown the figures say
// little by themselves; the ratio of the two says what the product adds.
//
// # How it measures
//
// Save for memory, product and floor run in one process, in turns: a slice of time for the one, a
// slice for the other, as many rounds as are asked for, the order changing from
// round to round. A suite's value and floor are medians over the rounds, its ratio
// is the median of the rounds' ratios. What a slice leaves to be done (uses on
// their way to the stream) is waited for before the next slice, so that nobody
// pays for another's work, and shows among the conditions. So does the processor
// time of one operation, which is the steadiest figure on a shared machine: it is
// the whole process's, load generator and embedded NATS server included.
//
// # The suites
//
//   - generate, generate-1, revoke: the command through the node's door in process
//     (signing in, authorisation, the record of the caller's own use, group commit,
//     the wait until this node reads the change), by 64 callers, 1 and 64. Floor: one
//     caller that publishes messages of the size of the product's event to a
//     JetStream stream one by one, on the same kind of embedded server with
//     SyncAlways, on the same disk.
//   - forward-auth: GET /v1/authorize over 32 kept connections, of a proxy whose clients
//     bear any of 1,000 tokens. Beside a handler that reads the same headers and query,
//     writes the same headers, and looks nothing up.
//   - validate-http: POST /v1/tokens/validate over 32 kept connections, with all of
//     the ledger's tokens presented in random order. Floor: a bare net/http handler
//     that decodes the same request and answers the same shape, driven by the same
//     load generator. At the end every answer is held against the ledger's
//     counters: the suite fails unless each token's count of uses is the number of
//     times that it was found good.
//   - validate-nats: the same over NATS, by 32 clients with a connection each, to the
//     service of the embedded server; the callers are known by their connections.
//     Floor: a service of NATS's own library that answers with the request's bytes, in
//     the same account as its callers, on a server of the same kind. What was answered
//     is held against the counters as well.
//   - memory: the most that a node's process holds resident, in MB, while tokens are
//     generated over HTTP and, after a restart, all are listed and each is validated
//     once, as fast as it goes. The node is `serve` in a process of its own. Floor:
//     the same process on an empty ledger. Here less is better. There are no rounds.
//     On Linux only.
//   - replay: a stream of generated, used and revoked tokens applied to an empty read
//     model until the last event can be read. Floor: an ordered consumer that counts
//     the same messages and decodes nothing.
//
// # What it does not say
//
// Clients, network and TLS are outside of the measurement, and the load generator
// takes its share of the same processor. A temporary directory in memory makes
// syncing free, which the figures of the first three suites then show.
package bench
