// Command tokenledger runs a ledger of API tokens and talks to one.
//
// The client verbs call a node over HTTP:
//
//	tokenledger token generate "shop checkout" --site shop.example --scope orders:read --ttl 90d
//	tokenledger token list --site shop.example
//	tokenledger validate --scope orders:read < token.txt
//	tokenledger token revoke 01ARZ3NDEKTSV4RRFFQ69G5FAV --reason-code leaked
//
// They read TOKENLEDGER_URL (default http://127.0.0.1:7480) and TOKENLEDGER_TOKEN,
// or the file that --token-file names. A token is never a flag's value or an
// argument, where the process list and the shell's history would show it: an
// argument that looks like one is refused, and the refusal does not repeat it.
//
// Text for people and, with --json, one JSON document (one a line for lists, the
// history and imports) go to standard output; errors, questions and notes go to
// standard error, as text. What other people named is printed with its control
// characters spelled out; --json does the same where standard output is a
// terminal, and leaves the bytes as they are elsewhere.
//
// Exit codes: 0 done; 1 failed; 2 usage; 3 the token is not valid, or you may not;
// 4 tampering or a gap was found, here or by the node (audit_log_damaged); 5 the service
// is unavailable or too stale.
package main
