// Package wire is what all transports read and write alike: the JSON of requests, of
// answers and of errors. It holds no rule beyond their shape.
//
// Reading is strict: unknown fields, fields that stand twice and text that is not UTF-8
// are refused. No error repeats a value that was read: it may be a secret.
package wire
