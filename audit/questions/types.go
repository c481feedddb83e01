package questions

import (
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Scope says whose events and tokens a question is about.
type Scope struct {
	// Tenant is required, unless AllTenants is set.
	Tenant     string
	AllTenants bool
}

// EventQuery asks for events. Zero fields do not filter; all that are set must hold.
type EventQuery struct {
	Scope
	// Actor is the id of who did it (a token's, a person's or its bare subject, a node's),
	// the token that it signed in with, or its name when it acted.
	Actor string
	// Token is the token that the event is about.
	Token ulid.ULID
	// Site is that of a use or rejection, or of the token that was generated.
	Site string
	// IP is the origin of a change, or the address of a use.
	IP string
	// Kind is the last part of the subject: generated, revoked, used, …
	Kind string
	// Since and Until bound the time of arrival: Since <= received < Until.
	Since, Until time.Time
	// After gives events above this sequence: the cursor.
	After uint64
	// Limit is 1 to 1000; 0 is 100.
	Limit int
}

// EventPage is some of the events asked for, in the order of the stream.
type EventPage struct {
	Events []events.Recorded
	// Next is what After has to be for the next page; 0 where there is none. A page
	// may be short, even empty, and yet have one.
	Next uint64
	// Seq is the last sequence of the log that the answer takes in.
	Seq uint64
}

// Moment is a point in the life of the ledger: a time, or a sequence.
type Moment struct {
	// Time stands for the last event that arrived at or before it. What depends on
	// the clock (expiry) is judged at it.
	Time time.Time
	// Seq, if it is not 0, is used instead; the clock is then the time of arrival of
	// that event.
	Seq uint64
}

// AsOfQuery asks which tokens there were at some moment, and what they were. What the
// events after the moment say does not count, even of a time before it: a token that
// was revoked later, and from an earlier time on, was good.
type AsOfQuery struct {
	Scope
	At Moment
	// Site, Owner and TokenScope filter, as does Status, which is that of the moment.
	Site, Owner, TokenScope string
	Status                  tokens.Status
	// Cursor is [AsOf.Next] of a page of the same question.
	Cursor string
	// Limit is 1 to 1000; 0 is 100.
	Limit int
}

// AsOfToken is a token as it was.
type AsOfToken struct {
	tokens.Token
	// Status is that of the moment.
	Status tokens.Status
	// Seqs are the events that made the record what it is, the last of which is
	// Token.Seq.
	Seqs []uint64
}

// AsOf is some of the tokens as they were, in the order of their ids. A page may be
// short, even empty, and yet have a Next.
type AsOf struct {
	// Seq and Time are the moment: the last event that counts, and the clock.
	Seq    uint64
	Time   time.Time
	Tokens []AsOfToken
	Next   string
}

// AsOfCount is how many tokens there were at some moment.
type AsOfCount struct {
	// Seq and Time are the moment.
	Seq  uint64
	Time time.Time
	// Tokens is the number of tokens that were asked for, ByStatus how many of them
	// had which status; statuses that none had are left out.
	Tokens   uint64
	ByStatus map[tokens.Status]uint64
}

// DiffQuery asks what became of tokens between two moments: those that were
// generated, revoked, suspended, resumed, updated or replaced. Uses are no change. Nor
// is what the clock alone does: a token that has begun or expired meanwhile, and had no
// event, is not among them; compare its status in [Asker.AsOf] of both moments.
type DiffQuery struct {
	Scope
	// From is left out and To taken in: a change counts that came after From.
	From, To Moment
	// Cursor is [Diff.Next] of a page of the same question.
	Cursor string
	// Limit is 1 to 1000; 0 is 100.
	Limit int
}

// Diff is some of the tokens that changed, in the order of their first change. A page
// may be short, even empty, and yet have a Next.
type Diff struct {
	From, To Moment // both fields of each set
	Changes  []Change
	Next     string
}

// Change is what became of a token.
type Change struct {
	// Before is nil for a token that did not exist.
	Before *AsOfToken
	After  AsOfToken
	// Events are the changes between, in order, at most 1,000: MoreEvents says that
	// there are more. Those that changed nothing, such as a second revocation, are
	// among them.
	Events     []events.Recorded
	MoreEvents bool
}

// Story is what the log tells of one token.
type Story struct {
	// Token is the record as of Seq, with its status now.
	Token AsOfToken
	Seq   uint64
	// Changes are the events about the token other than its uses and the questions
	// asked about it, the first of which tells who made it, and from where. They are at
	// most 1,000: MoreChanges says that there are more.
	Changes     []events.Recorded
	MoreChanges bool
	// Besides is what the token's maker did with the same sign-in besides: the changes
	// it made to other tokens, from its first on, at most 100. MoreBesides says that
	// there are more than are given, which Events finds by the actor.
	Besides     []events.Recorded
	MoreBesides bool
	// Addresses are those that presented the token, by first appearance, at most
	// 10,000: MoreAddresses says that there are more. What the others did is counted
	// below all the same.
	Addresses     []Address
	MoreAddresses bool
	// Unread is where there are uses and rejections that were not read, because there
	// are too many: none for most tokens, two at the most. Read were the oldest, the
	// newest, and the first after the revocation took effect. What is said of
	// presentations is then true of those that were read: the counts are "at least", and
	// a use that was recorded late can have come before FirstSeen.
	Unread []Unread
	// Uses and Rejections count how often it was accepted and refused.
	Uses, Rejections uint64
	// FirstSeen and LastSeen bound the presentations; zero for none.
	FirstSeen, LastSeen time.Time
	// AfterEnd are the uses and rejections of which the last came when its revocation
	// had taken effect, at most 1,000; MoreAfterEnd says that there are more, or can be
	// among those that were not read.
	AfterEnd     []events.Recorded
	MoreAfterEnd bool
}

// Unread is a stretch of the log in which the uses of a token were not read.
type Unread struct {
	// From and To are the sequences of the first and the last of them, Events is how many
	// events they are. No use between them was read.
	From, To, Events uint64
}

// Address is where a token was presented from. IP is empty for presentations of which
// no address is known.
type Address struct {
	IP               string
	Uses, Rejections uint64
	First, Last      time.Time
	// FirstSeq and LastSeq are the first and the last event that tell of it.
	FirstSeq, LastSeq uint64
	// Sites and UserAgents are those seen, at most 20 of each.
	Sites, UserAgents []string
}
