// Package commands holds the decisions of the ledger: what may be done to a
// token, and what presenting one comes to. Each command is a file: the input, a
// pure function that decides which events follow (or why none may), and the
// Handler's method that reads state, decides and appends.
//
// What is guaranteed when a Handler's method returns without an error:
//
//   - the events are durable in the stream, all of one command or none;
//   - this node's projections have applied them, so the next read and the next
//     validation on this node see them.
//
// Commands never conflict: a token's life only moves forward, and a revocation
// only brings its end nearer. There is no optimistic lock to lose. Rotations of
// one token are taken one after another on a node.
//
// What is not: the caller's right to issue a command is settled before (package
// internal/auth), except for one rule that is about the command's content, that
// nobody grants a permission of the ledger which he does not hold.
package commands
