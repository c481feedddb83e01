// Package natsapi is the NATS transport of validation: a service at the subject
// tokenledger.validate that takes and gives the JSON of POST /v1/tokens/validate. It
// holds no rule: it reads requests, asks the ledger, and writes answers.
//
// It speaks the protocol of NATS micro services (nats.go/micro, ADR-32): the errors'
// headers, the queue group by which several nodes share the work, and $SRV.PING, INFO
// and STATS, by which tools find it. The protocol's library is not used to serve,
// because it answers to whatever subject a request names: a node may publish to the
// ledger's stream, and a client could have had it publish there.
//
// Who asks is told by the request's header Authorization: Bearer, or, on the embedded
// server, by the connection it came from ([Config.Caller]). Either way the token has to
// be good now, and its use is on record before the answer goes out.
//
// What is bounded: the size of a request, the number of requests that are answered at a
// time, and the number and bytes of those that wait. What is beyond is refused at once,
// with 503 and the code overloaded; nobody is kept from asking.
//
// What is not guaranteed: that an answer arrives. NATS delivers at most once; who asks
// sets a time limit, and asks again.
package natsapi
