package api

import (
	"encoding/json"
	"time"
)

// AuditEvent is an event with its place in the audit log. Event holds the bytes as they
// were published.
type AuditEvent struct {
	Seq uint64 `json:"seq"`
	// LeafIndex is its leaf in the Merkle tree: Seq - 1.
	LeafIndex uint64          `json:"leaf_index"`
	Received  time.Time       `json:"received"`
	Subject   string          `json:"subject"`
	Event     json.RawMessage `json:"event"`
	// Proof is a C2SP tlog-proof with the leaf as extra data, where it was asked for.
	Proof string `json:"proof,omitempty"`
}

// AuditEventsRequest is the query of GET /v1/audit/events. Zero fields do not filter.
type AuditEventsRequest struct {
	// Actor is the id of who did it, or its name when it acted.
	Actor string
	// Token is the id of the token that the events are about.
	Token string
	Site  string
	// IP is the origin of a change, or the address of a use.
	IP string
	// Kind is the last part of the subject: generated, revoked, used, …
	Kind string
	// Since and Until bound the time of arrival: Since <= received < Until.
	Since, Until time.Time
	// Tenant is all of them for a holder of ledger:root that leaves it out.
	Tenant string
	Cursor string
	// Limit is 1 to 1000; 0 takes the server's 100.
	Limit int
	// Proof asks for a proof with every event.
	Proof bool
}

// AuditEvents answers GET /v1/audit/events, in the order of the stream.
type AuditEvents struct {
	Events []AuditEvent `json:"events"`
	// NextCursor is left out on the last page.
	NextCursor string `json:"next_cursor,omitempty"`
	// Seq is the last sequence that the answer takes in. As a cursor, later, it gives
	// what has come since.
	Seq uint64 `json:"seq"`
}

// TraceRequest is the body of POST /v1/audit/trace. One of Token and Secret is given.
type TraceRequest struct {
	Token string `json:"token,omitempty" doc:"The token's id, or its whole name"`
	// Secret is a token that was found somewhere.
	Secret string `json:"secret,omitempty" doc:"The token itself. It is compared, and neither kept nor shown"`
	Tenant string `json:"tenant,omitempty"`
	Proof  bool   `json:"proof,omitempty" doc:"Give a proof with every event"`
}

// Trace answers POST /v1/audit/trace: what the log tells of one token.
type Trace struct {
	// Seq is the last sequence that the answer takes in.
	Seq   uint64    `json:"seq"`
	Token PastToken `json:"token"`
	// Changes are the events about the token other than its uses, the first of which
	// tells who made it, and from where.
	Changes     []AuditEvent `json:"changes"`
	MoreChanges bool         `json:"more_changes,omitzero"`
	// Besides are the changes that the token's maker made to other tokens.
	Besides     []AuditEvent `json:"besides"`
	MoreBesides bool         `json:"more_besides,omitzero"`
	// Addresses are those that presented the token, by first appearance.
	Addresses     []TraceAddress `json:"addresses"`
	MoreAddresses bool           `json:"more_addresses,omitzero"`
	// MoreUses says that the token was presented too often for all of that to be read.
	// The oldest uses and rejections were, the newest, and the first after its revocation
	// took effect. Then Uses and Rejections, and what Addresses say, are "at least";
	// FirstSeen and LastSeen are of what was read: a use that was recorded late, in the
	// middle, can be older. Unread says where the others are.
	MoreUses bool          `json:"more_uses,omitzero"`
	Unread   []TraceUnread `json:"unread,omitempty"`
	// Uses and Rejections count how often it was accepted and refused.
	Uses       uint64     `json:"uses"`
	Rejections uint64     `json:"rejections"`
	FirstSeen  *time.Time `json:"first_seen,omitempty"`
	LastSeen   *time.Time `json:"last_seen,omitempty"`
	// AfterEnd are the uses and rejections after its revocation took effect. MoreAfterEnd
	// says that there are more, or can be among those that were not read.
	AfterEnd     []AuditEvent `json:"after_end"`
	MoreAfterEnd bool         `json:"more_after_end,omitzero"`
	// MoreProofs says that proofs were asked for, and that not all of the token's Seqs and
	// the addresses have theirs: they would be too many. Every event has one.
	MoreProofs bool `json:"more_proofs,omitzero"`
}

// TraceUnread is a stretch of the log in which the uses and rejections of a token were
// not read.
type TraceUnread struct {
	// From and To are the sequences of the first and the last of them, Events is how many
	// events they are.
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Events uint64 `json:"events"`
	// Cursor is for GET /v1/audit/events?token=ID, and gives this stretch.
	Cursor string `json:"cursor" doc:"For GET /v1/audit/events?token=ID, which then gives this stretch"`
}

// TraceAddress is an address that presented a token.
type TraceAddress struct {
	// IP is left out for presentations of which no address is known.
	IP         string    `json:"ip,omitempty"`
	Uses       uint64    `json:"uses"`
	Rejections uint64    `json:"rejections"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	// FirstSeq and LastSeq are the first and the last event that tell of it.
	FirstSeq   uint64   `json:"first_seq"`
	LastSeq    uint64   `json:"last_seq"`
	Sites      []string `json:"sites,omitempty"`
	UserAgents []string `json:"user_agents,omitempty"`
	// Proofs are those of FirstSeq and LastSeq, where they were asked for.
	Proofs []string `json:"proofs,omitempty"`
}

// PastToken is a token's record as it was at some moment. Uses are no part of it.
type PastToken struct {
	ID     string   `json:"id"`
	Tenant string   `json:"tenant"`
	Name   string   `json:"name"`
	Site   string   `json:"site,omitempty"`
	Owner  string   `json:"owner,omitempty"`
	Scopes []string `json:"scopes"`
	// Status is that of the moment.
	Status       string            `json:"status" enum:"pending,active,suspended,revoked,expired"`
	CreatedAt    time.Time         `json:"created_at"`
	CreatedBy    string            `json:"created_by,omitempty"`
	ExpiresAt    *time.Time        `json:"expires_at,omitempty"`
	NotBefore    *time.Time        `json:"not_before,omitempty"`
	RevokedAt    *time.Time        `json:"revoked_at,omitempty"`
	RevokedBy    string            `json:"revoked_by,omitempty"`
	RevokeReason string            `json:"revoke_reason,omitempty"`
	ReasonCode   string            `json:"reason_code,omitempty"`
	RotatedFrom  string            `json:"rotated_from,omitempty"`
	RotatedTo    string            `json:"rotated_to,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	AllowedCIDRs []string          `json:"allowed_cidrs,omitempty"`
	// Seq is the last of Seqs, which are the events that made the record what it was.
	Seq  uint64   `json:"seq"`
	Seqs []uint64 `json:"seqs"`
	// Proofs are those of Seqs, in their order, where they were asked for. In a trace they
	// can be those of the first Seqs alone.
	Proofs []string `json:"proofs,omitempty"`
}

// Consistency answers GET /v1/audit/consistency: the proof that the audit log with To
// entries begins with what it was with From entries (RFC 9162, section 2.1.4). Hashes have
// 32 bytes. Roots are what the node says: hold them against checkpoints that you keep.
type Consistency struct {
	From     uint64 `json:"from"`
	FromRoot []byte `json:"from_root"`
	To       uint64 `json:"to"`
	ToRoot   []byte `json:"to_root"`
	// Proof are the hashes in the order of the RFC; none where From is To.
	Proof [][]byte `json:"proof" nullable:"false"`
	// Checkpoint is a signed checkpoint over To entries. It is left out where a To was
	// asked for that is not the newest checkpoint's.
	Checkpoint string `json:"checkpoint,omitempty" doc:"A signed checkpoint over that many entries, if the newest one is"`
}

// AsOfRequest is the query of GET /v1/audit/as-of. One of Time and Seq is given.
type AsOfRequest struct {
	Time time.Time
	Seq  uint64
	// Site, Owner, Scope and Status filter; Status is that of the moment.
	Site, Owner, Scope, Status string
	// Tenant is all of them for a holder of ledger:root that leaves it out.
	Tenant string
	Cursor string
	// Limit is 1 to 1000; 0 takes the server's 100.
	Limit int
	Proof bool
	// Count asks for numbers in the place of tokens; it excludes Cursor, Limit and Proof.
	Count bool
}

// AsOf answers GET /v1/audit/as-of, in the order of the tokens' ids.
type AsOf struct {
	// Seq and Time are the moment: the last event that counts, and the clock that
	// statuses were judged by.
	Seq        uint64      `json:"seq"`
	Time       time.Time   `json:"time"`
	Tokens     []PastToken `json:"tokens"`
	NextCursor string      `json:"next_cursor,omitempty"`
	// Count is how many tokens there were, and ByStatus how many had which status, where
	// numbers were asked for.
	Count    *uint64           `json:"count,omitempty"`
	ByStatus map[string]uint64 `json:"by_status,omitempty"`
}

// DiffRequest is the query of GET /v1/audit/diff. From and To are a time (RFC 3339) or a
// sequence.
type DiffRequest struct {
	From, To string
	// Tenant is all of them for a holder of ledger:root that leaves it out.
	Tenant string
	Cursor string
	// Limit is 1 to 1000; 0 takes the server's 100.
	Limit int
	Proof bool
}

// Diff answers GET /v1/audit/diff, in the order of the tokens' first changes.
type Diff struct {
	From       Moment        `json:"from"`
	To         Moment        `json:"to"`
	Changes    []TokenChange `json:"changes"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// Moment is a point in the life of the ledger.
type Moment struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
}

// TokenChange is what became of a token between two moments.
type TokenChange struct {
	// Before is left out for a token that did not exist.
	Before *PastToken `json:"before,omitempty"`
	After  PastToken  `json:"after"`
	// Events are the changes between, in order.
	Events     []AuditEvent `json:"events"`
	MoreEvents bool         `json:"more_events,omitzero"`
}
