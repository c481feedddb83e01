package api

// LeakReport says that a token was seen where it does not belong.
type LeakReport struct {
	Token  string `json:"token,omitempty" doc:"What was found. It is compared, and neither kept nor shown"`
	SHA256 string `json:"sha256,omitempty" doc:"SHA-256 over it, 64 hex digits; in the place of token"`
	Source string `json:"source,omitempty" doc:"The kind of place, or what found it; up to 100 bytes are kept"`
	URL    string `json:"url,omitempty" doc:"The place; up to 2048 bytes are kept"`
	Note   string `json:"note,omitempty" doc:"For people; up to 500 bytes are kept"`
}

// LeaksRequest is the body of POST /v1/leaks: one report, or up to 100 in leaks.
type LeaksRequest struct {
	Token  string       `json:"token,omitempty" doc:"What was found. It is compared, and neither kept nor shown"`
	SHA256 string       `json:"sha256,omitempty" doc:"SHA-256 over it, 64 hex digits; in the place of token"`
	Source string       `json:"source,omitempty" doc:"The kind of place, or what found it; up to 100 bytes are kept"`
	URL    string       `json:"url,omitempty" doc:"The place; up to 2048 bytes are kept"`
	Note   string       `json:"note,omitempty" doc:"For people; up to 500 bytes are kept"`
	Leaks  []LeakReport `json:"leaks,omitempty" doc:"Several reports, in the place of one"`
}

// LeakAnswer is the outcome of one report.
type LeakAnswer struct {
	// Known is false for what is no token of the caller's tenant. Then there is
	// nothing else, and nothing was recorded.
	Known   bool   `json:"known"`
	TokenID string `json:"token_id,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	// Status is the token's now.
	Status string `json:"status,omitempty" enum:"pending,active,suspended,revoked,expired"`
	// Action is what this report led to.
	Action string `json:"action,omitempty" enum:"revoked,suspended,none"`
	// Reason says why the action is none.
	Reason string `json:"reason,omitempty" enum:"policy,already_revoked,expired,already_suspended,resumed,last_root,token_above_caller"`
	// Recorded is left out where this place was on record already.
	Recorded bool `json:"recorded,omitzero"`
	// Detail says for people what has to be done where the token is still good.
	Detail string `json:"detail,omitempty"`
}

// LeaksAnswer answers POST /v1/leaks, in the order of the reports.
type LeaksAnswer struct {
	Leaks []LeakAnswer `json:"leaks"`
}

// GitHubMatch is one element of the array that GitHub's secret scanning posts.
type GitHubMatch struct {
	Token  string `json:"token"`
	Type   string `json:"type,omitempty"`
	URL    string `json:"url,omitempty"`
	Source string `json:"source,omitempty"`
}

// GitHubFeedback is one element of the array that it is answered with.
type GitHubFeedback struct {
	TokenHash string `json:"token_hash" doc:"SHA-256 over the token"`
	TokenType string `json:"token_type"`
	Label     string `json:"label" enum:"true_positive,false_positive"`
}
