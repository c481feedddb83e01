package api

import "time"

// UnusedRequest is the query of GET /v1/tokens/unused. Zero fields do not filter.
type UnusedRequest struct {
	// For is how long the tokens were neither used nor generated: "90d", which is also
	// what empty stands for.
	For    string
	Tenant string
	Site   string
	Owner  string
	Cursor string
	// Limit is 1 to 1000; 0 takes the server's 100.
	Limit int
}

// UnusedList answers GET /v1/tokens/unused.
type UnusedList struct {
	Tokens []UnusedToken `json:"tokens"`
	// NextCursor is left out on the last page.
	NextCursor string `json:"next_cursor,omitempty"`
}

// UnusedToken is an active token that nobody has used for a time.
type UnusedToken struct {
	Token Token `json:"token"`
	// IdleSince is its last use, or if it was never used, when it could be first.
	IdleSince  time.Time `json:"idle_since"`
	DaysUnused int       `json:"days_unused"`
	// PolicyRevokesAt is when the node's policy revokes it unless it is used, at the
	// earliest; left out where it does not.
	PolicyRevokesAt *time.Time `json:"policy_revokes_at,omitempty"`
}
