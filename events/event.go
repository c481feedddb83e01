package events

import (
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// SpecVersion is the version of CloudEvents that every event is written in.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
const SpecVersion = "1.0"

// ContentType is the media type of an encoded event (structured mode).
const ContentType = "application/cloudevents+json"

// DefaultTenant is the tenant of whoever names none.
const DefaultTenant = "default"

// Type is a CloudEvents type with its version, such as
// "tokenledger.token.revoked.v1".
type Type string

// Kind is the last part of the subject that an event of this type is published
// on: "revoked" for "tokenledger.token.revoked.v1". A type without a version
// suffix gives its last part.
func (t Type) Kind() string {
	parts := strings.Split(string(t), ".")
	last := len(parts) - 1
	if last > 0 && isVersion(parts[last]) {
		last--
	}
	return parts[last]
}

func isVersion(s string) bool {
	return len(s) > 1 && s[0] == 'v' && strings.Trim(s[1:], "0123456789") == ""
}

// Data is what an event says beyond its envelope. The types of this package are
// its only implementations.
type Data interface {
	// Type names the type and version that the value is encoded as.
	Type() Type
	// encode writes the value to w.
	encode(w *writer)
	// decode reads the value from r, which stands before its opening brace.
	decode(r *reader) error
	// check reports the first field that makes the value no fact.
	check() error
}

// Event is one fact in its CloudEvents envelope.
type Event struct {
	// ID is unique in the ledger.
	ID ulid.ULID
	// Source is "/tokenledger/<node>".
	Source string
	// Subject is the id of the token that the event is about; empty where
	// there is none (a ledger created, an unknown token rejected).
	Subject string
	// Time is when the node decided it, UTC, to the millisecond. Order is by
	// stream sequence, never by this.
	Time time.Time
	// Tenant is the tenant that the event belongs to.
	Tenant string
	// Idempotency is set on the events of a request that bore an
	// Idempotency-Key.
	Idempotency Idempotency
	// Data is never nil.
	Data Data
}

// Idempotency remembers, in the event itself, which request an event answers. So
// the memory of it is as durable as the event, on every node.
type Idempotency struct {
	// Key is the SHA-256, in hex, over the caller and its Idempotency-Key.
	Key string
	// Request is the SHA-256, in hex, over the operation and its input, by which
	// a key that is used again for something else is told apart.
	Request string
	// Count is how many events the request leads to, where they are more than
	// fit into one batch: while there are fewer, it was not carried out whole.
	Count uint64
}

// Recorded is an event as the stream holds it.
type Recorded struct {
	// Seq is the stream sequence; the first event of a ledger has 1.
	Seq uint64
	// Received is the broker's time of arrival, UTC.
	Received time.Time
	// Subject is the NATS subject, "ledger.<tenant>.<kind>".
	Subject string
	// Raw is the payload as published.
	Raw []byte
	// Event is Raw, decoded.
	Event Event
}

// SubjectPrefix begins the subject of every event.
const SubjectPrefix = "ledger."

// RevocationsPrefix begins the subject, "revocations.<tenant>", on which a copy of each
// revocation is published once the stream has it.
const RevocationsPrefix = "revocations."

// StreamSubject is the NATS subject that e is published on. The number of
// subjects is bounded by tenants times kinds: the stream's memory does not grow
// with the number of tokens.
func StreamSubject(e Event) string {
	return SubjectPrefix + e.Tenant + "." + e.Data.Type().Kind()
}

// ValidTenant reports whether s is a tenant's name: [a-z0-9][a-z0-9-]{0,62}.
func ValidTenant(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
